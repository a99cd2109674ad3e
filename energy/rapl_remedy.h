#pragma once
// What to type where RAPL exists and may not be read: the one obstacle that most machines with a
// meter have. One way per line, "what it does: what to type".

#include <string>

namespace tern::energy {

// directory: the powercap class folder, /sys/class/powercap outside tests.
std::string rapl_permission_remedy(const std::string& directory);

}  // namespace tern::energy
