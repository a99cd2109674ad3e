#include "harness/doctor.h"

#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "energy/cross_check.h"
#include "harness/doctor_checks.h"
#include "harness/machine.h"
#include "harness/report/doctor_text.h"
#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

namespace tern::harness {
namespace {

using Catch::Contains;
using nlohmann::json;
using tests::FakeSysfs;

json row_of(const json& rows, const std::string& name) {
  for (const json& row : rows) {
    if (row.at("name") == name) return row;
  }
  FAIL("no row " << name);
  return {};
}

json powercap(const FakeSysfs& tree, const char* virtualization) {
  return row_of(meter_rows(tree.root(), {{"virtualization", virtualization}}), "powercap");
}

json denied_counter(const char* name) {
  return {{"name", name},
          {"usable", false},
          {"event", std::string("event-of-") + name},
          {"why", std::string("perf_event_open of event-of-") + name + " failed"},
          {"remedy", "until the next boot: sudo sysctl x=2\nsudo plain"}};
}

// Gives up root for a scope, where it can.
class Unprivileged {
 public:
  Unprivileged() { active_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  ~Unprivileged() {
    if (active_ && ::seteuid(0) != 0) std::abort();
  }

 private:
  bool active_ = false;
};

TEST_CASE("RAPL that may not be read: the reason, a command for now and a rule for good") {
  const FakeSysfs tree;
  tree.zone("intel-rapl:0", "package-0");
  const auto energy = tree.path("sys/class/powercap/intel-rapl:0/energy_uj");
  std::filesystem::permissions(energy, std::filesystem::perms::none);
  const auto as_nobody = [&](const char* virtualization) -> json {
    const Unprivileged nobody;
    if (::access(energy.c_str(), R_OK) == 0 && ::geteuid() == 0) return nullptr;
    return powercap(tree, virtualization);
  };
  const json bare = as_nobody("none");
  if (bare.is_null()) {
    WARN("cannot give up root here: the denied read is not tested");
    return;
  }
  tree.write(".dockerenv", "");
  const json container = as_nobody("container");
  tree.write("proc/self/uid_map", "         0       1000          1\n");
  const json rootless = as_nobody("container");
  CHECK(bare["usable"] == false);
  CHECK_THAT(bare["why"].get<std::string>(), Contains("denied") && Contains("CVE-2020-8694"));
  const std::string remedy = bare["remedy"];
  CHECK_THAT(remedy,
             Contains("sudo chmod -R a+r " + tree.root() + "/sys/class/powercap/intel-rapl"));
  CHECK_THAT(remedy, Contains("/etc/udev/rules.d/") && Contains("udevadm trigger"));
  CHECK(remedy.find("docker") == std::string::npos);
  CHECK_THAT(container["remedy"].get<std::string>(),
             Contains("on the host, for everybody, until the next boot: sudo chmod") &&
                 Contains("on the host, for everybody, for good, by a udev rule") &&
                 Contains("docker run --user root") && !Contains("for one run"));
  // The root of a user namespace is nobody to the zones' files.
  CHECK_THAT(rootless["remedy"].get<std::string>(),
             Contains("on the host, ") && !Contains("--user root"));

  const std::string text = doctor_remedies(json::array({bare}), json::array(), json::array());
  // A command stands alone on its line, to be copied whole.
  CHECK_THAT(text, Contains("\n      sudo chmod -R a+r " + tree.root()));
  CHECK_THAT(text, Contains("\n      echo 'SUBSYSTEM==\"powercap\""));
  CHECK_THAT(doctor_summary(json::array({bare}), json::array()), Contains("could be"));
}

TEST_CASE("zones that a container hides are told from zones that do not exist") {
  const FakeSysfs tree;
  tree.write(".dockerenv", "");
  std::filesystem::create_directories(tree.path("sys/class/powercap"));
  CHECK_THAT(powercap(tree, "container")["remedy"].get<std::string>(),
             Contains("on the host: sudo modprobe"));
  CHECK(powercap(tree, "container")["remedy"].get<std::string>().find("docker") ==
        std::string::npos);
  std::filesystem::create_symlink("../../devices/virtual/powercap/intel-rapl/intel-rapl:0",
                                  tree.path("sys/class/powercap/intel-rapl:0"));
  const json row = powercap(tree, "container");
  CHECK_THAT(row["why"].get<std::string>(), Contains("the container hides them"));
  CHECK_THAT(
      row["remedy"].get<std::string>(),
      Contains("systempaths=unconfined") && Contains("unmask=/sys/devices/virtual/powercap"));
  tree.write("proc/self/uid_map", "0 1000 1\n");
  CHECK_THAT(powercap(tree, "container")["remedy"].get<std::string>(),
             Contains("on the host, for everybody, until the next boot: sudo chmod") &&
                 Contains("podman run --security-opt unmask=/sys/devices/virtual/powercap") &&
                 !Contains("--user root"));
}

TEST_CASE("in a container, settings of the kernel are changed on its host") {
  const FakeSysfs tree;
  tree.write("run/.containerenv", "");
  tree.write("proc/sys/kernel/perf_event_paranoid", "2\n");
  tree.write("proc/sys/kernel/nmi_watchdog", "1\n");
  tree.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  const json rows = check_rows(tree.root(), environment_snapshot(tree.root()), true);
  for (const char* name : {"governor", "perf_event_paranoid", "NMI watchdog"}) {
    const std::string remedy = row_of(rows, name)["remedy"];
    INFO(remedy);
    CHECK(remedy.starts_with("on the host, "));
    CHECK(remedy.find("setcap") == std::string::npos);
  }
}

TEST_CASE("nothing typed inside a virtual machine makes a meter") {
  const FakeSysfs tree;
  std::filesystem::create_directories(tree.path("sys/class/powercap"));
  const json row = powercap(tree, "kvm");
  CHECK(row["remedy"] == "");
  CHECK_THAT(row["why"].get<std::string>(), Contains("virtual machine (kvm)"));
  CHECK_THAT(powercap(tree, "none")["remedy"].get<std::string>(), Contains("modprobe"));
  CHECK_THAT(doctor_summary(json::array({row}), json::array()), Contains("not measurable here"));
}

TEST_CASE("a meter that works says what it covers and what it leaves out") {
  const FakeSysfs tree;
  tree.cpus({0});
  tree.zone("intel-rapl:0", "package-0");
  tree.zone("intel-rapl:1", "psys");
  const json rows = meter_rows(tree.root(), {{"virtualization", "none"}});
  CHECK(row_of(rows, "powercap")["usable"] == true);
  CHECK_THAT(doctor_tables(rows, json::array(), json::array()),
             Contains("1 of 1 packages, no dram domain; psys left out: contains the packages"));
  CHECK_THAT(doctor_summary(rows, json::array()), Contains("measured by powercap"));
}

// perf at 100 W and powercap at another power, as energy::probe_all leaves them.
std::vector<energy::Probe> two_doors(double powercap_w) {
  std::vector<energy::Probe> probes(2);
  for (energy::Probe& probe : probes) {
    const bool perf = &probe == &probes[0];
    probe.name = perf ? "perf" : "powercap";
    energy::SourceInfo info =
        tests::rapl_info({tests::rapl_domain("package-0", energy::DomainKind::kPackage, 0)});
    info.name = probe.name;
    probe.source = std::make_unique<tests::SimulatedRapl>(
        std::move(info),
        std::vector<tests::SimulatedCounter>{{.power_w = perf ? 100 : powercap_w}});
  }
  energy::cross_check(probes, [&] {
    for (energy::Probe& probe : probes) {
      static_cast<tests::SimulatedRapl&>(*probe.source).pass(0.09);
    }
  });
  return probes;
}

TEST_CASE("two doors to the same counters: they agree, they disagree, or why nobody knows") {
  const json bare = {{"virtualization", "none"}};
  const auto tables = [](const json& rows) {
    return doctor_tables(rows, json::array(), json::array());
  };
  const json alike = meter_rows(two_doors(99), "/", bare);
  for (const json& row : alike) {
    CHECK(row["cross_check"]["verdict"] == "agree");
    CHECK_THAT(row["cross_check"]["text"].get<std::string>(), Contains("agree within"));
  }
  CHECK(alike[0]["cross_check"]["with"] == "powercap");
  CHECK_THAT(tables(alike), Contains("\ncross-check: perf and powercap agree within "));
  CHECK_THAT(doctor_summary(alike, json::array()), !Contains("disagree"));

  const json apart = meter_rows(two_doors(300), "/", bare);
  CHECK(apart[1]["cross_check"]["verdict"] == "disagree");
  CHECK_THAT(tables(apart), Contains("cross-check: perf and powercap disagree: package-0: perf "
                                     "counted 9 J and powercap 27 J") &&
                                Contains("trust neither"));
  CHECK_THAT(doctor_summary(apart, json::array()),
             Contains("measured by perf") && Contains("perf and powercap disagree"));

  const FakeSysfs tree;
  tree.cpus({0});
  tree.zone("intel-rapl:0", "package-0");
  const json copy = meter_rows(tree.root(), bare);
  CHECK(row_of(copy, "powercap")["cross_check"]["verdict"] == "not_compared");
  CHECK(row_of(copy, "powercap")["cross_check"]["why"] == "perf is not usable");
  CHECK_FALSE(row_of(copy, "hwmon").contains("cross_check"));
  CHECK_THAT(tables(copy), Contains("perf and powercap were not compared: perf is not usable"));
}

TEST_CASE("counters are usable or have a reason, in three groups") {
  const FakeSysfs tree;
  const json rows = counter_rows(tree.root());
  REQUIRE(rows.size() == 12);
  for (const json& row : rows) CHECK(row["usable"] == row["why"].get<std::string>().empty());
  CHECK(rows[0]["group"] == "default");
  CHECK(rows[5]["group"] == "detail");
  CHECK(row_of(rows, "dram_read_bytes")["group"] == "memory");
}

TEST_CASE("counters that fail alike share a row and a remedy") {
  const json rows = {denied_counter("cycles"), denied_counter("instructions")};
  const std::string table = doctor_tables(json::array(), rows, json::array());
  CHECK_THAT(table, Contains("| cycles, instructions | no ") &&
                        Contains("perf_event_open of the event failed"));
  const std::string text = doctor_remedies(json::array(), rows, json::array());
  CHECK_THAT(text,
             Contains("\ncycles, instructions\n  until the next boot:\n      sudo sysctl x=2\n"
                      "      sudo plain\n"));
  CHECK(doctor_remedies(json::array(), json::array(), json::array()).empty());
}

TEST_CASE("checks say what a setting does to a measurement and how to change it") {
  const FakeSysfs tree;
  tree.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sgx avx2\n");
  tree.write("proc/sys/kernel/perf_event_paranoid", "4\n");
  tree.write("proc/sys/kernel/nmi_watchdog", "1\n");
  tree.write("proc/loadavg", "1.50 1.00 0.50 2/100 4242\n");
  tree.write("proc/uptime", "100.00 150.00\n");
  tree.write("proc/stat", "cpu  10 0 10 1000 0 0 0 400 0 0\ncpu0 1\ncpu1 1\n");
  tree.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  tree.write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "2\n");
  tree.write("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
  tree.write("sys/devices/system/cpu/smt/active", "1\n");
  const json rows = check_rows(tree.root(), environment_snapshot(tree.root()), false);
  const auto verdict = [&](const char* name) { return row_of(rows, name)["verdict"]; };
  const auto remedy = [&](const char* name) {
    return row_of(rows, name)["remedy"].get<std::string>();
  };
  CHECK(verdict("governor") == "note");
  CHECK_THAT(remedy("governor"), Contains("scaling_governor"));
  CHECK(verdict("turbo") == "note");
  CHECK_THAT(remedy("turbo"), Contains("echo 1") && Contains("no_turbo"));
  CHECK(verdict("SMT") == "fine");
  CHECK(verdict("load") == "problem");
  CHECK(verdict("steal") == "problem");  // 4 of 200 CPU seconds
  CHECK_THAT(row_of(rows, "steal")["value"].get<std::string>(), Contains("2.00 %"));
  CHECK(verdict("throttling") == "note");
  CHECK(verdict("RAPL filter") == "note");
  CHECK(verdict("perf_event_paranoid") == "problem");
  CHECK_THAT(remedy("perf_event_paranoid"), Contains("sudo sysctl kernel.perf_event_paranoid=2"));
  CHECK(verdict("NMI watchdog") == "note");
  CHECK(verdict("build") == "problem");
  CHECK(verdict("virtualisation") == "fine");
  for (const json& row : rows) {
    INFO(row.dump());
    if (row["verdict"] == "problem") CHECK_FALSE(row["why"].get<std::string>().empty());
  }
}

TEST_CASE("an empty tree is unknown, not fine") {
  const FakeSysfs tree;
  const json rows = check_rows(tree.root(), environment_snapshot(tree.root()), true);
  for (const char* name : {"governor", "turbo", "SMT", "load", "steal", "throttling", "temperature",
                           "perf_event_paranoid", "NMI watchdog"}) {
    INFO(name);
    CHECK(row_of(rows, name)["verdict"] == "unknown");
  }
}

}  // namespace
}  // namespace tern::harness
