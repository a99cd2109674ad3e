#include "harness/machine.h"

#include <unistd.h>

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
  CHECK(environment == json({{"virtualization", "none"}}));
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
