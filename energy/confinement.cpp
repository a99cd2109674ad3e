#include "energy/confinement.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

bool is_container(const std::string& sysroot) {
  for (const char* mark : {".dockerenv", "run/.containerenv", "run/systemd/container"}) {
    std::error_code ignored;
    if (std::filesystem::exists(under_root(sysroot, mark), ignored)) return true;
  }
  const std::string environment = read_small_file(under_root(sysroot, "proc/1/environ")).text;
  if (environment.find("container=") != std::string::npos) return true;
  // Without a cgroup namespace the path names the runtime.
  constexpr std::array<std::string_view, 5> kRuntimes = {"/docker", "/kubepods", "/libpod-",
                                                         "/lxc/", "/containerd"};
  const std::string groups = read_small_file(under_root(sysroot, "proc/1/cgroup")).text;
  return std::any_of(kRuntimes.begin(), kRuntimes.end(), [&](std::string_view runtime) {
    return groups.find(runtime) != std::string::npos;
  });
}

// user_namespaces(7): the first namespace maps all numbers to themselves.
bool is_user_namespace(const std::string& sysroot) {
  const FileText map = read_small_file(under_root(sysroot, "proc/self/uid_map"));
  if (map.error != 0 || map.text.empty()) return false;
  std::istringstream words(map.text);
  long long inside = -1, outside = -1, count = 0;
  words >> inside >> outside >> count;
  constexpr long long kAll = 4294967295;
  return inside != 0 || outside != 0 || count != kAll;
}

// proc(5): 0 none, 1 strict, 2 filter.
bool is_filtered(const std::string& sysroot) {
  return read_small_file(under_root(sysroot, "proc/self/status")).text.find("\nSeccomp:\t2\n") !=
         std::string::npos;
}

}  // namespace

Confinement read_confinement(const std::string& sysroot) {
  return {is_container(sysroot), is_user_namespace(sysroot), is_filtered(sysroot)};
}

}  // namespace tern::energy
