#include "energy/platform.h"

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

std::optional<int> read_id(const fs::path& path) {
  constexpr std::uint64_t kLargestId = 1 << 20;
  const auto id = parse_count(read_small_file(path.string()).text);
  if (!id || *id > kLargestId) return std::nullopt;
  return static_cast<int>(*id);
}

bool is_cpu_directory(std::string_view name) {
  return name.starts_with("cpu") && parse_count(name.substr(3)).has_value();
}

// The flags of the first processor; x86 only, other architectures have no such word.
bool has_hypervisor_flag(std::string_view cpuinfo) {
  const auto begin = cpuinfo.find("\nflags");
  if (begin == std::string_view::npos) return false;
  const auto end = cpuinfo.find('\n', begin + 1);
  std::string line(cpuinfo.substr(begin, end == std::string_view::npos ? end : end - begin));
  line += ' ';
  return line.find(" hypervisor ") != std::string::npos;
}

bool dmi_names_hypervisor(const std::string& vendor, const std::string& product) {
  // Bare-metal instances of clouds carry the cloud's vendor string too; EC2 marks them in the
  // product.
  if (product.find(".metal") != std::string::npos) return false;
  constexpr std::array<std::string_view, 11> kWords = {"QEMU",
                                                       "KVM",
                                                       "VMware",
                                                       "VirtualBox",
                                                       "innotek",
                                                       "Xen",
                                                       "Bochs",
                                                       "Virtual Machine",
                                                       "Parallels",
                                                       "Amazon EC2",
                                                       "Google Compute Engine"};
  for (const std::string_view word : kWords) {
    if (vendor.find(word) != std::string::npos) return true;
    if (product.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

PackageTopology read_topology(const std::string& sysroot) {
  PackageTopology topology;
  std::error_code error;
  fs::directory_iterator cpus(under_root(sysroot, "sys/devices/system/cpu"), error);
  for (; !error && cpus != fs::directory_iterator(); cpus.increment(error)) {
    if (!is_cpu_directory(cpus->path().filename().string())) continue;
    const fs::path directory = cpus->path() / "topology";
    const auto package = read_id(directory / "physical_package_id");
    if (!package) continue;
    topology.packages.insert(*package);
    if (const auto die = read_id(directory / "die_id")) topology.dies.insert({*package, *die});
  }
  return topology;
}

CpuPlace read_cpu_place(const std::string& sysroot, int cpu) {
  const fs::path directory =
      under_root(sysroot, "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology");
  return {read_id(directory / "physical_package_id").value_or(-1),
          read_id(directory / "die_id").value_or(-1)};
}

bool is_virtual_machine(const std::string& sysroot) {
  if (has_hypervisor_flag("\n" + read_small_file(under_root(sysroot, "proc/cpuinfo")).text)) {
    return true;
  }
  return dmi_names_hypervisor(
      read_small_file(under_root(sysroot, "sys/class/dmi/id/sys_vendor")).text,
      read_small_file(under_root(sysroot, "sys/class/dmi/id/product_name")).text);
}

std::string cpu_vendor(const std::string& sysroot) {
  constexpr std::string_view kKey = "\nvendor_id";
  const std::string cpuinfo = "\n" + read_small_file(under_root(sysroot, "proc/cpuinfo")).text;
  if (cpuinfo.find("\nCPU implementer") != std::string::npos) return "arm";
  const auto key = cpuinfo.find(kKey);
  if (key == std::string::npos) return "";
  const auto begin = cpuinfo.find_first_not_of(" \t:", key + kKey.size());
  if (begin == std::string::npos) return "";
  return cpuinfo.substr(begin, cpuinfo.find_first_of(" \t\r\n", begin) - begin);
}

}  // namespace tern::energy
