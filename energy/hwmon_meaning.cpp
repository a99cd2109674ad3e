// The rules of hwmon_policy.h for single sensors: chip name and label to what is measured.
#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "energy/hwmon_policy.h"

namespace tern::energy {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "CPU Power Socket 0" is {cpu, power, socket, 0}; "Esocket1" is {esocket, 1}.
std::vector<std::string> words(std::string_view label) {
  std::vector<std::string> result;
  bool open = false;
  for (const char c : label) {
    if (!is_letter(c) && !is_digit(c)) {
      open = false;
      continue;
    }
    if (open && is_digit(c) != is_digit(result.back().back())) open = false;
    if (!open) result.emplace_back();
    open = true;
    result.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// The number right after the word, 0 where there is none.
int number_after(const std::vector<std::string>& list, std::string_view word) {
  constexpr int kMost = 4096;
  for (std::size_t i = 0; i + 1 < list.size(); ++i) {
    if (list[i] != word) continue;
    int number = 0;
    const std::string& text = list[i + 1];
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && stop == text.data() + text.size();
    if (whole && number <= kMost) return number;
  }
  return 0;
}

SensorFamily family_of(std::string_view chip) {
  if (chip == "power_meter") return SensorFamily::kAcpiMeter;
  if (chip == "amd_energy") return SensorFamily::kAmdEnergy;
  if (chip == "apm_xgene") return SensorFamily::kXgene;
  if (chip == "scmi_sensors") return SensorFamily::kScmi;
  if (chip == "altra_hwmon") return SensorFamily::kAltra;
  if (chip.starts_with("ina") && chip.size() > 3 && is_digit(chip[3])) return SensorFamily::kIna;
  return SensorFamily::kUnknown;
}

void cannot_say(SensorMeaning& meaning, const std::string& label) {
  meaning.why = label.empty() ? "it has no label, so what it covers is unknown"
                              : "no rule knows what its label covers";
}

// Module contains Grace contains CPU; SysIO is within Grace, beside CPU.
void read_acpi_meter(const HwmonSensor& sensor, SensorMeaning& meaning) {
  const auto list = words(sensor.label);
  meaning.socket = number_after(list, "socket");
  if (contains(list, "module") || contains(list, "total")) {
    meaning.level = SensorLevel::kBoard;
  } else if (contains(list, "grace")) {
    meaning.level = SensorLevel::kSocket;
  } else if (contains(list, "sysio")) {
    meaning.inside = SensorLevel::kSocket;
    meaning.why = "input and output beside the CPU";
  } else if (contains(list, "cpu")) {
    meaning.level = SensorLevel::kCpu;
  } else {
    cannot_say(meaning, sensor.label);
  }
}

void read_amd_energy(const HwmonSensor& sensor, SensorMeaning& meaning) {
  const auto list = words(sensor.label);
  if (contains(list, "esocket")) {
    meaning.level = SensorLevel::kSocket;
    meaning.socket = number_after(list, "esocket");
  } else if (contains(list, "ecore")) {
    // On big machines hundreds of files, whose reading would disturb what it measures. Their
    // numbers do not say the socket.
    meaning.worth_reading = false;
    meaning.why = "inside the sockets; cores are not read one by one";
  } else {
    cannot_say(meaning, sensor.label);
  }
}

// Two supplies side by side: the cores, and the rest of the package with its memory controllers.
void read_xgene(const HwmonSensor& sensor, SensorMeaning& meaning) {
  const auto list = words(sensor.label);
  meaning.socket = sensor.instance;
  if (contains(list, "cpu") || contains(list, "io")) {
    meaning.level = SensorLevel::kSocket;
    meaning.part = sensor.label;
  } else {
    cannot_say(meaning, sensor.label);
  }
}

// The firmware's own words; those that name a whole are understood, all others are parts.
void read_scmi(const HwmonSensor& sensor, SensorMeaning& meaning) {
  constexpr std::array<std::string_view, 6> kBoard = {"sys",   "system", "platform",
                                                      "board", "module", "total"};
  constexpr std::array<std::string_view, 4> kSocket = {"soc", "socket", "package", "pkg"};
  const auto list = words(sensor.label);
  for (const std::string_view word : kBoard) {
    if (contains(list, word)) meaning.level = SensorLevel::kBoard;
  }
  if (meaning.level != SensorLevel::kNone) return;
  for (const std::string_view word : kSocket) {
    if (!contains(list, word)) continue;
    meaning.level = SensorLevel::kSocket;
    meaning.socket = number_after(list, word);
    return;
  }
  if (contains(list, "cpu") || contains(list, "cpus")) {
    meaning.level = SensorLevel::kCpu;
    meaning.socket = number_after(list, "cpu");
    return;
  }
  cannot_say(meaning, sensor.label);
}

void read_altra(const HwmonSensor& sensor, SensorMeaning& meaning) {
  const auto list = words(sensor.label);
  meaning.socket = sensor.instance;
  if (contains(list, "core") && contains(list, "energy")) {
    meaning.level = SensorLevel::kCores;
    meaning.part = sensor.label;
  } else {
    cannot_say(meaning, sensor.label);
  }
}

// Rails of NVIDIA Jetson and of boards that follow its names. Most have one that feeds all; AGX
// Orin has three side by side and no sum.
void read_ina(const HwmonSensor& sensor, SensorMeaning& meaning) {
  constexpr std::array<std::string_view, 3> kWhole = {"VDD_IN", "POM_5V_IN", "VIN"};
  constexpr std::array<std::string_view, 3> kSideBySide = {"VDD_GPU_SOC", "VDD_CPU_CV",
                                                           "VIN_SYS_5V0"};
  const std::string& label = sensor.label;
  const auto is_label = [&](std::string_view known) { return label == known; };
  if (std::any_of(kWhole.begin(), kWhole.end(), is_label)) {
    meaning.level = SensorLevel::kBoard;
  } else if (std::any_of(kSideBySide.begin(), kSideBySide.end(), is_label)) {
    meaning.level = SensorLevel::kSocket;
    meaning.part = label;
  } else if (label.starts_with("VDD") || label.starts_with("POM_5V_")) {
    meaning.inside = SensorLevel::kBoard;
    meaning.why = "a rail of the board, not its supply";
  } else {
    cannot_say(meaning, label);
  }
}

}  // namespace

SensorMeaning meaning_of(const HwmonSensor& sensor) {
  SensorMeaning meaning;
  meaning.family = family_of(sensor.chip);
  switch (meaning.family) {
    case SensorFamily::kAcpiMeter:
      read_acpi_meter(sensor, meaning);
      break;
    case SensorFamily::kAmdEnergy:
      read_amd_energy(sensor, meaning);
      break;
    case SensorFamily::kXgene:
      read_xgene(sensor, meaning);
      break;
    case SensorFamily::kScmi:
      read_scmi(sensor, meaning);
      break;
    case SensorFamily::kAltra:
      read_altra(sensor, meaning);
      break;
    case SensorFamily::kIna:
      read_ina(sensor, meaning);
      break;
    case SensorFamily::kUnknown:
      meaning.worth_reading = false;
      meaning.why = sensor.chip.empty() ? "its chip has no name, so what it covers is unknown"
                                        : "no rule knows what this chip covers; it is not read";
      break;
  }
  if (meaning.level != SensorLevel::kNone && meaning.level != SensorLevel::kBoard) {
    meaning.inside = static_cast<SensorLevel>(static_cast<int>(meaning.level) + 1);
  }
  return meaning;
}

std::string sensor_name(const HwmonSensor& sensor) {
  const std::string chip = sensor.chip.empty() ? "hwmon" : sensor.chip;
  return chip + "/" + (sensor.label.empty() ? sensor.channel : sensor.label);
}

}  // namespace tern::energy
