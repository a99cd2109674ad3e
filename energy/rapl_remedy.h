#pragma once
// What to type where RAPL exists and may not be read, or is hidden by a container: the obstacles
// that most machines with a meter have. One way per line, "what it does: what to type".

#include <string>

#include "energy/confinement.h"

namespace tern::energy {

// directory: the powercap class folder, /sys/class/powercap outside tests. Inside a container the
// ways are those of its host and of its start.
std::string rapl_permission_remedy(const std::string& directory, const Confinement& around);

// For zones whose links are there and whose folders are hidden: containers' runtimes lay an empty
// folder over them (CVE-2020-8694), and leave the links.
bool rapl_is_masked(const std::string& directory);
std::string rapl_mask_remedy(const Confinement& around);

// A process may have no sysfs at all: then the reason, and the remedy.
bool has_sysfs(const std::string& sysroot);
std::string no_sysfs(const std::string& sysroot);
std::string no_sysfs_remedy();

}  // namespace tern::energy
