#pragma once
// Hardware monitors of known machines as trees, with the values of the chips' documentation.

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/support/fake_sysfs.h"

namespace tern::tests {

// One chip: hwmonN and what it holds.
class FakeChip {
 public:
  FakeChip(const FakeSysfs& tree, int number, const std::string& name)
      : tree_(tree), path_("sys/class/hwmon/hwmon" + std::to_string(number)) {
    if (!name.empty()) write("name", name + "\n");
  }

  const FakeChip& write(const std::string& file, const std::string& text) const {
    tree_.write(path_ + "/" + file, text);
    return *this;
  }
  const FakeChip& number(const std::string& file, std::int64_t value) const {
    return write(file, std::to_string(value) + "\n");
  }
  const FakeChip& remove(const std::string& file) const {
    std::filesystem::remove(tree_.path(path_ + "/" + file));
    return *this;
  }
  // The symbolic link that names the device, as in the kernel's tree.
  const FakeChip& device(const std::string& name) const {
    const std::string target = "sys/devices/" + name;
    std::filesystem::create_directories(tree_.path(target));
    std::filesystem::create_directories(tree_.path(path_));
    std::filesystem::create_directory_symlink(tree_.path(target), tree_.path(path_ + "/device"));
    return *this;
  }
  std::string path(const std::string& file) const {
    return tree_.path(path_ + "/" + file).string();
  }

 private:
  const FakeSysfs& tree_;
  std::string path_;
};

// An INA3221 of a Jetson Orin NX: three rails, VDD_IN feeds the others; 5.0 V and 2, 1, 0.5 A.
inline FakeChip jetson(const FakeSysfs& tree, int number) {
  FakeChip chip(tree, number, "ina3221");
  const char* labels[] = {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"};
  for (int rail = 1; rail <= 3; ++rail) {
    const std::string n = std::to_string(rail);
    chip.write("in" + n + "_label", std::string(labels[rail - 1]) + "\n")
        .number("in" + n + "_enable", 1)
        .number("in" + n + "_input", 5000)
        .number("curr" + n + "_input", 2000 / rail);
    chip.number("in" + std::to_string(rail + 3) + "_input", 10);  // a shunt, in microvolts
  }
  chip.write("in7_label", "sum of shunt voltages\n").number("in7_input", 30);
  chip.number("curr4_input", 3500).number("update_interval", 2);
  return chip;
}

// The rails of an INA3221 under NVIDIA's own driver of JetPack 4: 5000, 1500 and 900 mW.
inline void jetpack4(const FakeSysfs& tree, const std::string& device = "iio:device0") {
  const std::string folder = "sys/bus/iio/devices/" + device + "/";
  tree.write(folder + "name", "ina3221x\n");
  const char* labels[] = {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"};
  const char* milliwatts[] = {"5000", "1500", "900"};
  for (int rail = 0; rail < 3; ++rail) {
    const std::string n = std::to_string(rail);
    tree.write(folder + "rail_name_" + n, std::string(labels[rail]) + "\n");
    tree.write(folder + "in_power" + n + "_input", std::string(milliwatts[rail]) + "\n");
    tree.write(folder + "in_voltage" + n + "_input", "5000\n");
  }
}

// One ACPI power meter of NVIDIA Grace; like the older drivers it keeps all with the device.
inline FakeChip grace_meter(const FakeSysfs& tree, int number, const std::string& what, int socket,
                            std::int64_t power_uw) {
  FakeChip chip(tree, number, "");
  chip.write("device/name", "power_meter\n")
      .number("device/power1_average", power_uw)
      .number("device/power1_average_interval", 50)
      .write("device/power1_oem_info", what + " Power Socket " + std::to_string(socket) + "\n");
  return chip;
}

// Both sockets of a Grace superchip: 300 W of module, 200 of Grace, 150 of CPU, 20 of SysIO.
inline void grace(const FakeSysfs& tree) {
  int number = 0;
  for (const int socket : {0, 1}) {
    grace_meter(tree, number++, "SysIO", socket, 20'000'000);
    grace_meter(tree, number++, "CPU", socket, 150'000'000);
    grace_meter(tree, number++, "Grace", socket, 200'000'000);
    grace_meter(tree, number++, "Module", socket, 300'000'000);
  }
}

// The amd_energy driver: a counter for each core, then one for each socket.
inline FakeChip amd_energy(const FakeSysfs& tree, int number, int cores, int sockets) {
  FakeChip chip(tree, number, "amd_energy");
  int channel = 1;
  for (int core = 0; core < cores; ++core, ++channel) {
    const std::string energy = "energy" + std::to_string(channel);
    const std::string digits = std::to_string(core);
    chip.write(energy + "_label", "Ecore" + std::string(3 - digits.size(), '0') + digits + "\n")
        .number(energy + "_input", 1000 + core);
  }
  for (int socket = 0; socket < sockets; ++socket, ++channel) {
    const std::string energy = "energy" + std::to_string(channel);
    chip.write(energy + "_label", "Esocket" + std::to_string(socket) + "\n")
        .number(energy + "_input", 7'000'000);
  }
  return chip;
}

// Ampere Altra, mainline driver: 60 W of cores, 25 W of the rest of the package.
inline FakeChip xgene(const FakeSysfs& tree, int number) {
  FakeChip chip(tree, number, "apm_xgene");
  chip.write("power1_label", "CPU power\n").number("power1_input", 60'000'000);
  chip.write("power2_label", "IO power\n").number("power2_input", 25'000'000);
  chip.write("temp1_label", "SoC Temperature\n").number("temp1_input", 45'000);
  return chip;
}

}  // namespace tern::tests
