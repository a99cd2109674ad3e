#include "energy/rapl_remedy.h"

namespace tern::energy {

std::string rapl_permission_remedy(const std::string& directory) {
  // The kernel gives each zone mode 0400 again at every boot; a rule on "add" outlives that. %p is
  // the device's path in sysfs (udev(7)).
  const std::string rule =
      "SUBSYSTEM==\"powercap\", KERNEL==\"intel-rapl:*\", ACTION==\"add\", "
      "RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"";
  return "for everybody, until the next boot: sudo chmod -R a+r " + directory +
         "/intel-rapl\n"
         "for everybody, for good, by a udev rule: echo '" +
         rule +
         "' | sudo tee /etc/udev/rules.d/70-rapl.rules && sudo udevadm control --reload && "
         "sudo udevadm trigger --action=add --subsystem-match=powercap\n"
         "for one run, changing nothing: sudo $(command -v tern) bench ...";
}

}  // namespace tern::energy
