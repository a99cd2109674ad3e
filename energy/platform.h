#pragma once
// What a meter must know of the machine to say what its joules cover: the packages and dies that
// exist, and whether a hypervisor stands between the reader and the hardware.

#include <set>
#include <string>
#include <utility>

namespace tern::energy {

struct PackageTopology {
  std::set<int> packages;
  std::set<std::pair<int, int>> dies;  // (package, die)
};

// From <sysroot>/sys/devices/system/cpu/cpu*/topology; empty where the kernel does not say.
PackageTopology read_topology(const std::string& sysroot);

// Where one CPU stands; -1 where the kernel does not say.
struct CpuPlace {
  int package = -1;
  int die = -1;
};
CpuPlace read_cpu_place(const std::string& sysroot, int cpu);

// The CPUID hypervisor bit as /proc/cpuinfo shows it, or a hypervisor's name in the DMI table
// (which also answers on ARM servers).
bool is_virtual_machine(const std::string& sysroot);

// "GenuineIntel", "AuthenticAMD": vendor_id of /proc/cpuinfo; "arm" where that has implementers
// instead; empty where it says neither.
std::string cpu_vendor(const std::string& sysroot);

}  // namespace tern::energy
