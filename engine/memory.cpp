// How much memory a model may take: what the kernel says is available, capped by the cgroup's
// limit.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

#include "engine/model.h"

namespace tern::engine {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

std::int64_t meminfo_available() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::int64_t kib = 0;
  std::string unit;
  while (file >> key >> kib >> unit) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return kUnlimited;
}

// A number in a cgroup file; "max" or an absent file means no limit.
std::int64_t cgroup_number(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? value : kUnlimited;
}

// Version 2, the process's own group as it appears inside a container's cgroup namespace.
std::int64_t cgroup_available() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  std::string group;
  while (std::getline(file, line)) {
    if (line.starts_with("0::")) group = line.substr(3);
  }
  const std::string folder = "/sys/fs/cgroup" + group;
  const std::int64_t limit = cgroup_number(folder + "/memory.max");
  if (limit == kUnlimited) return kUnlimited;
  const std::int64_t used = cgroup_number(folder + "/memory.current");
  return used == kUnlimited ? limit : std::max<std::int64_t>(0, limit - used);
}

}  // namespace

std::int64_t available_memory_bytes() { return std::min(meminfo_available(), cgroup_available()); }

}  // namespace tern::engine
