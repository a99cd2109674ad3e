#include "harness/machine.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A small /proc and /sys, gone with the test.
class FakeRoot {
 public:
  FakeRoot() : path_(fs::temp_directory_path() / ("tern-machine-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~FakeRoot() { fs::remove_all(path_); }

  void write(const std::string& file, const std::string& text) const {
    fs::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  void remove(const std::string& file) const { fs::remove_all(path_ / file); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

constexpr const char* kX86 =
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n"
    "model name\t: Example(R) 8480 CPU\nstepping\t: 8\nmicrocode\t: 0x2b000571\n"
    "cpu MHz\t\t: 2000.000\nflags\t\t: fpu avx2\nbogomips\t: 4000.00\n\n"
    "processor\t: 1\nvendor_id\t: GenuineIntel\n";

// Two packages, two cores each, two threads per core; one L2 per core and one L3 per package.
void write_x86(const FakeRoot& root) {
  root.write("proc/cpuinfo", kX86);
  root.write("proc/meminfo",
             "MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:   8000000 kB\n"
             "SwapTotal:       100 kB\nSwapFree:        40 kB\n");
  root.write("proc/sys/kernel/osrelease", "6.1.0-test\n");
  root.write("etc/os-release", "NAME=\"X\"\nPRETTY_NAME=\"Example OS 12\"\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/";
    const int core = cpu / 2;
    const std::string siblings = std::to_string(2 * core) + "-" + std::to_string(2 * core + 1);
    const std::string package = core < 2 ? "0-3" : "4-7";
    root.write(folder + "topology/physical_package_id", std::to_string(core / 2) + "\n");
    root.write(folder + "topology/core_cpus_list", siblings + "\n");
    root.write(folder + "topology/package_cpus_list", package + "\n");
    root.write(folder + "cache/index2/level", "2\n");
    root.write(folder + "cache/index2/type", "Unified\n");
    root.write(folder + "cache/index2/size", "2048K\n");
    root.write(folder + "cache/index2/shared_cpu_list", siblings + "\n");
    root.write(folder + "cache/index3/level", "3\n");
    root.write(folder + "cache/index3/type", "Unified\n");
    root.write(folder + "cache/index3/size", "32768K\n");
    root.write(folder + "cache/index3/shared_cpu_list", package + "\n");
    root.write(folder + "cpufreq/scaling_governor", cpu == 0 ? "performance\n" : "powersave\n");
    root.write(folder + "thermal_throttle/core_throttle_count", "3\n");
    root.write(folder + "thermal_throttle/package_throttle_count", "5\n");
  }
  root.write("sys/devices/system/node/node0/cpulist", "0-3\n");
  root.write("sys/devices/system/node/node1/cpulist", "4-7\n");
}

TEST_CASE("machine facts of an x86 machine") {
  const FakeRoot root;
  write_x86(root);
  const json facts = machine_facts(root.path());
  CHECK(cpu_name(root.path()) == "Example(R) 8480 CPU");
  CHECK(facts["cpu"]["name"] == "Example(R) 8480 CPU");
  CHECK(facts["cpu"]["stepping"] == "8");
  CHECK(facts["cpu"]["microcode"] == "0x2b000571");
  CHECK(facts["topology"] ==
        json({{"packages", 2}, {"cores", 4}, {"threads", 8}, {"numa_nodes", 2}}));
  REQUIRE(facts["caches"].size() == 2);
  CHECK(facts["caches"][0]["instances"] == 4);
  CHECK(facts["caches"][1]["instances"] == 2);
  CHECK(facts["memory"]["total_bytes"] == 16384000LL * 1024);
  CHECK(facts["kernel"] == "Linux 6.1.0-test");
  CHECK(facts["os"] == "Example OS 12");
  CHECK(facts["hash"].get<std::string>().size() == 64);
}

TEST_CASE("readings of one boot do not change the machine's hash, and facts do") {
  const FakeRoot root;
  write_x86(root);
  const std::string before = machine_facts(root.path())["hash"];
  std::string cpuinfo = kX86;
  const auto replace = [&](const std::string& from, const std::string& to) {
    cpuinfo.replace(cpuinfo.find(from), from.size(), to);
    root.write("proc/cpuinfo", cpuinfo);
  };
  replace("2000.000", "3141.592");
  replace("4000.00", "4003.00");
  root.write("proc/sys/kernel/osrelease", "6.12.1\n");
  root.write("proc/meminfo", "MemTotal:       16383744 kB\n");
  CHECK(machine_facts(root.path())["hash"] == before);
  replace("stepping\t: 8", "stepping\t: 6");
  CHECK(machine_facts(root.path())["hash"] != before);
  replace("stepping\t: 6", "stepping\t: 8");
  CHECK(machine_facts(root.path())["hash"] == before);
  root.write("proc/meminfo", "MemTotal:       33554432 kB\n");
  CHECK(machine_facts(root.path())["hash"] != before);
}

TEST_CASE("Arm machines are named by implementer and part") {
  const FakeRoot root;
  root.write("proc/cpuinfo", "CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n");
  CHECK(cpu_name(root.path()) == "Arm Neoverse N1");
  root.write("proc/cpuinfo", "CPU implementer\t: 0x99\nCPU part\t: 0x001\n");
  CHECK(cpu_name(root.path()) == "Arm implementer 0x99 part 0x001");
  CHECK(machine_facts(root.path())["cpu"]["implementer"] == "0x99");
}

TEST_CASE("an empty root gives facts without values, not errors") {
  const FakeRoot root;
  const json facts = machine_facts(root.path());
  CHECK(facts["cpu"]["name"] == "unknown CPU");
  CHECK(facts["caches"].empty());
  CHECK_FALSE(facts.contains("memory"));
  const json environment = environment_snapshot(root.path());
  CHECK(environment["virtualization"] == "none");
  for (const char* kind : {"core", "package", "package_power_limit"}) {
    CHECK(environment["throttle_times"][kind].size() == 1);
    CHECK_FALSE(environment["throttle_times"][kind]["why"].get<std::string>().empty());
  }
  CHECK(environment.size() == 2);
}

TEST_CASE("environment: mixed governors, turbo, load, steal, throttling, temperatures") {
  const FakeRoot root;
  write_x86(root);
  root.write("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
  root.write("sys/devices/system/cpu/smt/active", "1\n");
  root.write("proc/loadavg", "0.50 1.25 2.00 1/100 4242\n");
  root.write("proc/stat", "cpu  10 0 10 1000 0 0 0 " + std::to_string(3 * ::sysconf(_SC_CLK_TCK)) +
                              " 0 0\ncpu0 1 2\n");
  root.write("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
  root.write("sys/class/thermal/thermal_zone0/temp", "45500\n");
  root.write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  const json environment = environment_snapshot(root.path());
  CHECK(environment["governor"] == "performance (1), powersave (7)");
  CHECK(environment["turbo"] == false);
  CHECK(environment["smt"] == true);
  CHECK(environment["load"] == json({0.5, 1.25, 2.0}));
  CHECK(environment["steal_s"] == 3.0);
  CHECK(environment["temperatures_c"]["thermal_zone0 x86_pkg_temp"] == 45.5);
  // Siblings report the count of their core and all CPUs that of their package.
  CHECK(environment["throttle_counts"] == json({{"core", 12}, {"package", 10}}));
  CHECK(environment["cpus_online"] == 1);
  CHECK(environment["cpu_busy_s"] == 20.0 / static_cast<double>(::sysconf(_SC_CLK_TCK)));
  CHECK_FALSE(environment.contains("process_cpu_s"));  // this process is not of that machine
  CHECK(environment["memory_available_bytes"] == 8000000LL * 1024);
  CHECK(environment["swap_used_bytes"] == 60 * 1024);
  CHECK(environment["transparent_hugepages"] == "madvise");
}

TEST_CASE("environment: frequency, power limits and the kernel's thermal control") {
  const FakeRoot root;
  for (int cpu = 0; cpu < 2; ++cpu) {
    const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/";
    root.write(folder + "cpufreq/scaling_max_freq", cpu == 0 ? "3000000\n" : "2000000\n");
    root.write(folder + "cpufreq/scaling_cur_freq", "1500000\n");
    root.write(folder + "topology/package_cpus_list", "0-1\n");
    root.write(folder + "thermal_throttle/package_power_limit_count", "6\n");
  }
  root.write("sys/class/thermal/cooling_device0/type", "Processor\n");
  root.write("sys/class/thermal/cooling_device0/cur_state", "2\n");
  root.write("sys/class/thermal/cooling_device1/type", "cpufreq-cpu0\n");
  root.write("sys/class/thermal/cooling_device1/cur_state", "1\n");
  root.write("sys/class/thermal/cooling_device2/type", "Fan\n");
  root.write("sys/class/thermal/cooling_device2/cur_state", "9\n");
  root.write("proc/uptime", "4242.17 8000.00\n");
  const json environment = environment_snapshot(root.path());
  CHECK(environment["frequency_limit_mhz"] == 2500.0);
  CHECK(environment["frequency_mhz"] == 1500.0);
  CHECK(environment["throttle_counts"] == json({{"package_power_limit", 6}}));
  CHECK(environment["cpu_cooling_state"] == 3);
  CHECK(environment["uptime_s"] == 4242.17);
}

// Registers of one CPU, as /dev/cpu/N/msr holds them: eight bytes at the offset of their number.
void write_msrs(const FakeRoot& root, int cpu, std::uint64_t units, std::uint64_t status) {
  std::string bytes(0x620, '\0');
  std::memcpy(bytes.data() + 0x606, &units, sizeof units);
  std::memcpy(bytes.data() + 0x613, &status, sizeof status);
  root.write("dev/cpu/" + std::to_string(cpu) + "/msr", bytes);
}

json limit_time(const FakeRoot& root) {
  return environment_snapshot(root.path())["throttle_times"]["package_power_limit"];
}

TEST_CASE("throttled time: by heat from the kernel, once per core and package") {
  const FakeRoot root;
  for (int cpu = 0; cpu < 4; ++cpu) {
    const std::string folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/";
    root.write(folder + "topology/core_cpus_list", cpu < 2 ? "0-1\n" : "2-3\n");
    root.write(folder + "topology/package_cpus_list", "0-3\n");
    root.write(folder + "thermal_throttle/core_throttle_total_time_ms", "250\n");
    root.write(folder + "thermal_throttle/package_throttle_total_time_ms", "1500\n");
  }
  const json times = environment_snapshot(root.path())["throttle_times"];
  CHECK(times["core"]["seconds"] == 0.5);
  CHECK(times["package"]["seconds"] == 1.5);
  CHECK(times["package"]["from"] == "thermal_throttle/package_throttle_total_time_ms");
}

TEST_CASE("throttled time: a folder that a container has emptied is told from none at all") {
  const FakeRoot root;
  CHECK_THAT(environment_snapshot(root.path())["throttle_times"]["core"]["why"].get<std::string>(),
             Catch::Contains("Intel's processors only"));
  root.write("sys/devices/system/cpu/cpu0/thermal_throttle/unrelated", "");
  CHECK_THAT(environment_snapshot(root.path())["throttle_times"]["core"]["why"].get<std::string>(),
             Catch::Contains("a container that hides it"));
}

TEST_CASE("throttled time: by power limits from MSR 0x613, one CPU of each package") {
  const FakeRoot root;
  root.write("proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
  CHECK_THAT(limit_time(root)["why"].get<std::string>(), Catch::Contains("lists no CPU"));
  for (int cpu = 0; cpu < 4; ++cpu) {
    root.write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/physical_package_id",
               cpu < 2 ? "0\n" : "1\n");
  }
  CHECK_THAT(limit_time(root)["why"].get<std::string>(),
             Catch::Contains("dev/cpu/0/msr") && Catch::Contains("sudo modprobe msr"));
  // Time in 2^-10 s; the upper half of the register is not time.
  constexpr std::uint64_t kUnits = 0xA0E03;
  write_msrs(root, 0, kUnits, 0xFFFF'0000'0000'0400);
  CHECK_THAT(limit_time(root)["why"].get<std::string>(), Catch::Contains("dev/cpu/2/msr"));
  write_msrs(root, 2, kUnits, 512);
  CHECK(limit_time(root) == json({{"seconds", 1.5}, {"from", "MSR 0x613"}}));
  write_msrs(root, 2, 0, 0);
  CHECK_THAT(limit_time(root)["why"].get<std::string>(), Catch::Contains("hypervisor"));
  root.write("dev/cpu/0/msr", "short");
  CHECK_THAT(limit_time(root)["why"].get<std::string>(), Catch::Contains("cannot read"));
  root.write("proc/cpuinfo", "vendor_id\t: AuthenticAMD\n");
  CHECK_THAT(limit_time(root)["why"].get<std::string>(), Catch::Contains("only Intel's"));
}

double spend_cpu_time_in_a_child(double seconds) {
  const pid_t child = ::fork();
  if (child == 0) {
    timespec now{};
    do {
      ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    } while (static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 < seconds);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  return seconds;
}

TEST_CASE("the time of a command that was waited for is our own, not that of other programs") {
  const json before = environment_snapshot();
  const double spent_s = spend_cpu_time_in_a_child(0.1);
  const json after = environment_snapshot();
  CHECK(after["process_cpu_s"].get<double>() - before["process_cpu_s"].get<double>() >= spent_s);
}

TEST_CASE("virtualisation from firmware, kernel and container marks") {
  const FakeRoot root;
  CHECK(virtualization(root.path()).empty());
  root.write("proc/cpuinfo", "flags\t: fpu hypervisor sse\n");
  CHECK(virtualization(root.path()) == "virtual machine");
  root.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
  root.write("sys/class/dmi/id/product_name", "c7i.large\n");
  CHECK(virtualization(root.path()) == "kvm");
  root.write("proc/cpuinfo", "flags\t: fpu sse\n");
  root.write("sys/class/dmi/id/product_name", "c7i.metal-24xl\n");
  CHECK(virtualization(root.path()).empty());
  root.write(".dockerenv", "");
  CHECK(virtualization(root.path()) == "container");
}

TEST_CASE("this machine has a name and a hash that stays") {
  CHECK_FALSE(cpu_name().empty());
  CHECK(machine_facts()["hash"] == machine_facts()["hash"]);
}

}  // namespace
}  // namespace tern::harness
