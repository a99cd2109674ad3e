#include "energy/rapl_remedy.h"

#include <filesystem>
#include <system_error>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

// For root of the host, for whom the zones are readable once they are seen.
constexpr const char* kUnmask =
    "in Docker, when starting the container: docker run --user root --security-opt "
    "systempaths=unconfined ...\n"
    "in Podman, when starting the container: sudo podman run --user root --security-opt "
    "unmask=/sys/devices/virtual/powercap ...";
constexpr const char* kUnmaskRootless =
    "and so that they are seen, when starting the container: podman run --security-opt "
    "unmask=/sys/devices/virtual/powercap ...";

// The kernel gives each zone mode 0400 again at every boot; a rule on "add" outlives that. %p is
// the device's path in sysfs (udev(7)).
std::string open_to_all(const std::string& directory, const std::string& where) {
  const std::string rule =
      "SUBSYSTEM==\"powercap\", KERNEL==\"intel-rapl:*\", ACTION==\"add\", "
      "RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"";
  return where + "for everybody, until the next boot: sudo chmod -R a+r " + directory +
         "/intel-rapl\n" + where + "for everybody, for good, by a udev rule: echo '" + rule +
         "' | sudo tee /etc/udev/rules.d/70-rapl.rules && sudo udevadm control --reload && "
         "sudo udevadm trigger --action=add --subsystem-match=powercap\n";
}

}  // namespace

std::string rapl_permission_remedy(const std::string& directory, const Confinement& around) {
  if (!around.enclosed()) {
    return open_to_all(directory, "") +
           "for one run, changing nothing: sudo $(command -v tern) bench ...";
  }
  std::string ways = open_to_all(directory, "on the host, ");
  if (!around.user_namespace) {
    return ways + "when starting the container: docker run --user root ...";
  }
  ways.pop_back();
  return ways;
}

bool rapl_is_masked(const std::string& directory) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (!entries->path().filename().string().starts_with("intel-rapl:")) continue;
    if (!fs::exists(entries->path() / "name", ignored)) return true;
  }
  return false;
}

std::string rapl_mask_remedy(const Confinement& around) {
  if (!around.user_namespace) return kUnmask;
  return open_to_all("/sys/class/powercap", "on the host, ") + kUnmaskRootless;
}

bool has_sysfs(const std::string& sysroot) {
  std::error_code ignored;
  return fs::exists(under_root(sysroot, "sys/class"), ignored) ||
         fs::exists(under_root(sysroot, "sys/bus"), ignored);
}

std::string no_sysfs(const std::string& sysroot) {
  return under_root(sysroot, "sys") + " is empty or absent: sysfs is not mounted here";
}

std::string no_sysfs_remedy() {
  return "when starting the container, show it the host's: docker run -v /sys:/sys:ro ...\n"
         "in bubblewrap, likewise: bwrap --ro-bind /sys /sys ...";
}

}  // namespace tern::energy
