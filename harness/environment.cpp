#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>

#include "energy/confinement.h"
#include "harness/machine.h"
#include "harness/system_files.h"
#include "harness/throttling.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr const char* kCpuFolder = "sys/devices/system/cpu";

struct Signature {
  std::string_view text;
  const char* name;
};

// The hypervisor's signature in CPUID leaf 0x40000000 (kernel:
// Documentation/virt/kvm/x86/cpuid.rst; the others as their vendors document them).
std::string hypervisor_of_cpuid() {
#if defined(__x86_64__)
  constexpr Signature kSignatures[] = {
      {"KVMKVMKVM", "kvm"},           {"Microsoft Hv", "hyper-v"}, {"VMwareVMware", "vmware"},
      {"XenVMMXenVMM", "xen"},        {"bhyve bhyve ", "bhyve"},   {"TCGTCGTCGTCG", "qemu"},
      {"VBoxVBoxVBox", "virtualbox"},
  };
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 31 & 1) == 0) return "";
  __cpuid(0x40000000, a, b, c, d);
  std::array<char, 12> bytes{};
  std::memcpy(bytes.data(), &b, 4);
  std::memcpy(bytes.data() + 4, &c, 4);
  std::memcpy(bytes.data() + 8, &d, 4);
  for (const Signature& signature : kSignatures) {
    if (std::string_view(bytes.data(), bytes.size()).starts_with(signature.text)) {
      return signature.name;
    }
  }
  return "virtual machine";
#else
  return "";
#endif
}

// Where CPUID is not to be had (ARM, or a root that is not this system's): firmware and kernel
// tell.
std::string hypervisor_of_files(const SystemFiles& files) {
  constexpr Signature kVendors[] = {
      {"QEMU", "qemu"},           {"KVM", "kvm"},
      {"VMware", "vmware"},       {"Xen", "xen"},
      {"innotek", "virtualbox"},  {"VirtualBox", "virtualbox"},
      {"BHYVE", "bhyve"},         {"Google Compute Engine", "kvm"},
      {"Parallels", "parallels"},
  };
  const std::string product = files.text("sys/class/dmi/id/product_name").value_or("");
  const std::string dmi = files.text("sys/class/dmi/id/sys_vendor").value_or("") + " " + product;
  // Amazon sells whole machines too, and only their product names say which ("c7g.metal").
  if (dmi.starts_with("Amazon EC2") && product.find(".metal") == std::string::npos) return "kvm";
  if (dmi.starts_with("Microsoft") && product == "Virtual Machine") return "hyper-v";
  for (const Signature& vendor : kVendors) {
    if (dmi.find(vendor.text) != std::string::npos) return vendor.name;
  }
  if (const auto type = files.text("sys/hypervisor/type")) return *type;
  if (files.exists("sys/firmware/devicetree/base/hypervisor/compatible")) return "virtual machine";
  const auto flags = colon_value(files.text("proc/cpuinfo").value_or(""), "flags");
  if (flags && (" " + *flags + " ").find(" hypervisor ") != std::string::npos) {
    return "virtual machine";
  }
  return "";
}

double own_cpu_s() {
  timespec own{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
  rusage children{};
  ::getrusage(RUSAGE_CHILDREN, &children);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return static_cast<double>(own.tv_sec) + static_cast<double>(own.tv_nsec) * 1e-9 +
         seconds(children.ru_utime) + seconds(children.ru_stime);
}

std::string cpufreq_file(const std::string& cpu, const char* file) {
  return fmt::format("{}/{}/cpufreq/{}", kCpuFolder, cpu, file);
}

// One value, or "performance (3), powersave (1)" where CPUs differ.
void add_cpufreq(const SystemFiles& files, json& facts) {
  constexpr std::pair<const char*, const char*> kFields[] = {
      {"scaling_governor", "governor"},
      {"scaling_driver", "frequency_driver"},
      {"energy_performance_preference", "energy_preference"},
  };
  const auto cpus = files.numbered(kCpuFolder, "cpu");
  for (const auto& [file, field] : kFields) {
    std::map<std::string, int> values;
    for (const std::string& cpu : cpus) {
      const auto value = files.text(cpufreq_file(cpu, file));
      if (value) ++values[*value];
    }
    std::string text;
    for (const auto& [value, count] : values) {
      if (!text.empty()) text += ", ";
      text += values.size() == 1 ? value : value + " (" + std::to_string(count) + ")";
    }
    if (!text.empty()) facts[field] = text;
  }
  for (const auto& [file, field] : {std::pair("scaling_max_freq", "frequency_limit_mhz"),
                                    std::pair("scaling_cur_freq", "frequency_mhz")}) {
    double sum_khz = 0;
    int known = 0;
    for (const std::string& cpu : cpus) {
      const auto khz = files.number(cpufreq_file(cpu, file));
      if (!khz) continue;
      sum_khz += static_cast<double>(*khz);
      ++known;
    }
    if (known > 0) facts[field] = sum_khz / known / 1000;  // mean over CPUs
  }
  if (const auto off = files.number(std::string(kCpuFolder) + "/intel_pstate/no_turbo")) {
    facts["turbo"] = *off == 0;
  } else if (const auto on = files.number(std::string(kCpuFolder) + "/cpufreq/boost")) {
    facts["turbo"] = *on != 0;
  }
  if (const auto smt = files.number(std::string(kCpuFolder) + "/smt/active")) {
    facts["smt"] = *smt != 0;
  }
}

// Since boot, in seconds, from /proc/stat (proc(5)): what all CPUs worked, and what a hypervisor
// gave to others. Beside them the time of this process and of the children it has waited for, so
// that the two tell what others did.
void add_cpu_times(const SystemFiles& files, json& facts) {
  std::istringstream stat(files.text("proc/stat").value_or(""));
  std::string label;
  enum { kUser, kNice, kSystem, kIdle, kIoWait, kIrq, kSoftIrq, kSteal, kFields };
  std::array<std::int64_t, kFields> ticks{};
  if (!(stat >> label) || label != "cpu") return;
  for (std::int64_t& value : ticks) stat >> value;
  if (!stat) return;
  const auto ticks_per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::int64_t busy =
      ticks[kUser] + ticks[kNice] + ticks[kSystem] + ticks[kIrq] + ticks[kSoftIrq];
  facts["steal_s"] = static_cast<double>(ticks[kSteal]) / ticks_per_s;
  facts["cpu_busy_s"] = static_cast<double>(busy) / ticks_per_s;
  int cpus = 0;
  for (std::string line; std::getline(stat, line);) {
    if (line.starts_with("cpu")) ++cpus;
  }
  if (cpus > 0) facts["cpus_online"] = cpus;
}

void add_load(const SystemFiles& files, json& facts) {
  add_cpu_times(files, facts);
  std::istringstream uptime(files.text("proc/uptime").value_or(""));
  double uptime_s = 0;
  if (uptime >> uptime_s) facts["uptime_s"] = uptime_s;
  if (files.is_root()) {
    facts["process_cpu_s"] = own_cpu_s();
  }
  std::istringstream loadavg(files.text("proc/loadavg").value_or(""));
  std::array<double, 3> load{};
  if (loadavg >> load[0] >> load[1] >> load[2]) facts["load"] = load;
}

void add_memory(const SystemFiles& files, json& facts) {
  const std::string meminfo = files.text("proc/meminfo").value_or("");
  const auto bytes = [&](const char* key) -> std::optional<std::int64_t> {
    const auto value = colon_value(meminfo, key);
    if (!value) return std::nullopt;
    return std::strtoll(value->c_str(), nullptr, 10) * 1024;
  };
  if (const auto available = bytes("MemAvailable")) facts["memory_available_bytes"] = *available;
  const auto total = bytes("SwapTotal");
  const auto free = bytes("SwapFree");
  if (total && free) facts["swap_used_bytes"] = *total - *free;
  if (const auto pages = files.text("sys/kernel/mm/transparent_hugepage/enabled")) {
    const std::size_t begin = pages->find('[');
    const std::size_t end = pages->find(']');
    if (begin < end && end != std::string::npos) {
      facts["transparent_hugepages"] = pages->substr(begin + 1, end - begin - 1);
    }
  }
}

// Degrees Celsius of every thermal zone and of the CPU's own hwmon chips.
void add_temperatures(const SystemFiles& files, json& facts) {
  json temperatures = json::object();
  const auto add = [&](const std::string& name, const std::string& path) {
    if (const auto milli = files.number(path)) {
      temperatures[name] = static_cast<double>(*milli) / 1000;
    }
  };
  for (const std::string& zone : files.numbered("sys/class/thermal", "thermal_zone")) {
    const std::string folder = "sys/class/thermal/" + zone + "/";
    add(zone + " " + files.text(folder + "type").value_or("unknown"), folder + "temp");
  }
  for (const std::string& chip : files.numbered("sys/class/hwmon", "hwmon")) {
    const std::string folder = "sys/class/hwmon/" + chip + "/";
    const std::string name = files.text(folder + "name").value_or("");
    if (name == "coretemp" || name == "k10temp" || name == "zenpower") {
      add(chip + " " + name, folder + "temp1_input");
    }
  }
  if (!temperatures.empty()) facts["temperatures_c"] = std::move(temperatures);
}

// How far the kernel's thermal control holds the processor back now, summed over its devices (0:
// not at all); where CPUs count no throttling (AMD, ARM) this is what tells.
void add_cooling(const SystemFiles& files, json& facts) {
  std::int64_t sum = 0;
  bool any = false;
  for (const std::string& device : files.numbered("sys/class/thermal", "cooling_device")) {
    const std::string folder = "sys/class/thermal/" + device + "/";
    const std::string type = files.text(folder + "type").value_or("");
    if (type != "Processor" && !type.starts_with("cpufreq-") && !type.starts_with("cpu-")) continue;
    const auto state = files.number(folder + "cur_state");
    if (!state) continue;
    any = true;
    sum += *state;
  }
  if (any) facts["cpu_cooling_state"] = sum;
}

}  // namespace

std::string virtualization(const std::string& sysroot) {
  const SystemFiles files(sysroot);
  std::string name = files.is_root() ? hypervisor_of_cpuid() : "";
  if (name.empty()) name = hypervisor_of_files(files);
  if (energy::read_confinement(sysroot).container)
    name += name.empty() ? "container" : ", container";
  return name;
}

json environment_snapshot(const std::string& sysroot) {
  const SystemFiles files(sysroot);
  json facts = json::object();
  add_cpufreq(files, facts);
  add_load(files, facts);
  add_memory(files, facts);
  add_temperatures(files, facts);
  add_throttling(sysroot, facts);
  add_cooling(files, facts);
  const std::string host = virtualization(sysroot);
  facts["virtualization"] = host.empty() ? "none" : host;
  return facts;
}

}  // namespace tern::harness
