#include "harness/throttling.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "energy/platform.h"
#include "harness/system_files.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kCpuFolder = "sys/devices/system/cpu/";

struct Count {
  const char* name;
  const char* file;
  const char* sharers;
};

// Heat, and the power limits of RAPL where the kernel is told of them (int_pln_enable).
constexpr Count kEvents[] = {
    {"core", "core_throttle_count", "core_cpus_list"},
    {"package", "package_throttle_count", "package_cpus_list"},
    {"core_power_limit", "core_power_limit_count", "core_cpus_list"},
    {"package_power_limit", "package_power_limit_count", "package_cpus_list"},
};
constexpr Count kTimes_ms[] = {
    {"core", "core_throttle_total_time_ms", "core_cpus_list"},
    {"package", "package_throttle_total_time_ms", "package_cpus_list"},
};

// Each core's count appears once per SMT sibling and each package's once per CPU.
std::optional<std::int64_t> sum_of(const SystemFiles& files, const Count& kind) {
  std::set<std::string> seen;
  std::optional<std::int64_t> sum;
  for (const std::string& cpu : files.numbered(kCpuFolder, "cpu")) {
    const std::string folder = kCpuFolder + cpu + "/";
    const auto count = files.number(folder + "thermal_throttle/" + kind.file);
    if (!count) continue;
    const auto group = files.text(folder + "topology/" + kind.sharers);
    sum = sum.value_or(0) + (seen.insert(group.value_or(cpu)).second ? *count : 0);
  }
  return sum;
}

std::string why_no_heat(const SystemFiles& files) {
  // Runtimes of containers lay an empty folder over it since 2025 (moby pull request 49560).
  if (files.exists(std::string(kCpuFolder) + "cpu0/thermal_throttle")) {
    return "thermal_throttle has no such file: an older kernel, or a container that hides it";
  }
  return "the kernel has no thermal_throttle here: it counts throttling on Intel's processors only";
}

constexpr off_t kUnits = 0x606;          // MSR_RAPL_POWER_UNIT
constexpr off_t kPackageStatus = 0x613;  // MSR_PKG_PERF_STATUS
constexpr std::uint64_t kLow = 0xFFFFFFFF;

class Msr {
 public:
  explicit Msr(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) error_ = errno;
  }
  Msr(const Msr&) = delete;
  Msr& operator=(const Msr&) = delete;
  ~Msr() {
    if (fd_ >= 0) ::close(fd_);
  }

  int error() const noexcept { return error_; }

  std::optional<std::uint64_t> read(off_t number) {
    std::uint64_t value = 0;
    const ssize_t got = ::pread(fd_, &value, sizeof value, number);
    if (got == sizeof value) return value;
    error_ = got < 0 ? errno : EIO;
    return std::nullopt;
  }

 private:
  int fd_ = -1;
  int error_ = 0;
};

json no_limit_time(std::string why) { return {{"why", std::move(why)}}; }

std::string refusal(const std::string& path, int error) {
  std::string text = "cannot read " + path + " (" + std::strerror(error) + ")";
  if (error == ENOENT) return text + ": the kernel's msr module is not loaded (sudo modprobe msr)";
  if (error == EACCES || error == EPERM) return text + ": only root with CAP_SYS_RAWIO may";
  return text;
}

// The first CPU of each package; CPU 0 where the kernel does not tell packages apart.
std::map<int, std::string> first_cpus(const std::string& sysroot, const SystemFiles& files) {
  std::map<int, std::string> cpus;
  for (const std::string& cpu : files.numbered(kCpuFolder, "cpu")) {
    cpus.try_emplace(energy::read_cpu_place(sysroot, std::stoi(cpu.substr(3))).package,
                     cpu.substr(3));
  }
  return cpus;
}

json power_limit_time(const std::string& sysroot, const SystemFiles& files) {
  const std::string vendor = energy::cpu_vendor(sysroot);
  if (vendor != "GenuineIntel") {
    return no_limit_time("only Intel's processors keep the time under power limits (MSR 0x613)");
  }
  std::string root = sysroot;
  if (!root.ends_with('/')) root += '/';
  double seconds = 0;
  const auto cpus = first_cpus(sysroot, files);
  if (cpus.empty()) return no_limit_time("the kernel lists no CPU");
  for (const auto& [package, cpu] : cpus) {
    const std::string path = root + "dev/cpu/" + cpu + "/msr";
    Msr msr(path);
    if (msr.error() != 0) return no_limit_time(refusal(path, msr.error()));
    const auto units = msr.read(kUnits);
    const auto status = units ? msr.read(kPackageStatus) : std::nullopt;
    if (!units || !status) return no_limit_time(refusal(path, msr.error()));
    // No processor has a power unit of 1 W, an energy unit of 1 J and a time unit of 1 s.
    if (*units == 0) return no_limit_time("MSR 0x606 reads 0: a hypervisor answers for it");
    const int time_bits = static_cast<int>(*units >> 16 & 0xF);
    seconds += std::ldexp(static_cast<double>(*status & kLow), -time_bits);
  }
  return {{"seconds", seconds}, {"from", "MSR 0x613"}};
}

}  // namespace

void add_throttling(const std::string& sysroot, json& facts) {
  const SystemFiles files(sysroot);
  for (const Count& kind : kEvents) {
    if (const auto events = sum_of(files, kind)) facts["throttle_counts"][kind.name] = *events;
  }
  json& times = facts["throttle_times"];
  for (const Count& kind : kTimes_ms) {
    if (const auto time_ms = sum_of(files, kind)) {
      times[kind.name] = {{"seconds", static_cast<double>(*time_ms) / 1000},
                          {"from", std::string("thermal_throttle/") + kind.file}};
    } else {
      times[kind.name] = {{"why", why_no_heat(files)}};
    }
  }
  times["package_power_limit"] = power_limit_time(sysroot, files);
}

}  // namespace tern::harness
