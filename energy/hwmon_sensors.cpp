#include "energy/hwmon_sensors.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  std::string clean(text.substr(0, kLongest));
  for (char& c : clean) {
    if (c < ' ' || c > '~') c = '?';
  }
  while (!clean.empty() && clean.back() == ' ') clean.pop_back();
  return clean;
}

std::string text_of(const fs::path& path) { return printable(read_small_file(path.string()).text); }

// "power12_average" with stem "power" and suffix "_average" is 12.
std::optional<int> channel_number(std::string_view name, std::string_view stem,
                                  std::string_view suffix) {
  if (!name.starts_with(stem) || !name.ends_with(suffix)) return std::nullopt;
  if (name.size() <= stem.size() + suffix.size()) return std::nullopt;
  name.remove_prefix(stem.size());
  name.remove_suffix(suffix.size());
  int number = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || stop != name.data() + name.size() || number < 0) return std::nullopt;
  return number;
}

std::set<std::string> names_in(const fs::path& directory) {
  std::set<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    names.insert(entries->path().filename().string());
  }
  return names;
}

double milliseconds_of(const fs::path& path) {
  constexpr std::uint64_t kLongest_ms = 3'600'000;
  const auto value_ms = parse_count(read_small_file(path.string()).text);
  return value_ms && *value_ms <= kLongest_ms ? static_cast<double>(*value_ms) * 1e-3 : 0;
}

// The attributes of one chip.
struct Chip {
  fs::path directory;
  std::string name;
  std::string device;
  std::set<std::string> files;

  bool has(const std::string& file) const { return files.contains(file); }
};

bool has_sensors(const std::set<std::string>& files) {
  return std::any_of(files.begin(), files.end(), [](const std::string& file) {
    return channel_number(file, "energy", "_input") || channel_number(file, "power", "_input") ||
           channel_number(file, "power", "_average") || channel_number(file, "curr", "_input");
  });
}

// Drivers of the older kind (acpi_power_meter) keep their attributes with the device.
Chip open_chip(const fs::path& directory) {
  Chip chip{directory, text_of(directory / "name"), "", names_in(directory)};
  const fs::path device = directory / "device";
  if (chip.name.empty()) chip.name = text_of(device / "name");
  if (!has_sensors(chip.files)) {
    chip.directory = device;
    chip.files = names_in(device);
  }
  std::error_code error;
  const fs::path target = fs::read_symlink(device, error);
  if (!error) chip.device = printable(target.filename().string());
  return chip;
}

void note_disabled(const Chip& chip, const std::string& channel, HwmonSensor& sensor) {
  const std::string file = channel + "_enable";
  if (!chip.has(file)) return;
  const std::string path = (chip.directory / file).string();
  if (read_small_file(path).text != "0") return;
  sensor.defect = "disabled (" + path + " is 0)";
  sensor.remedy = "echo 1 | sudo tee " + path;
}

HwmonSensor make_sensor(const Chip& chip, const std::string& channel, Quantity quantity,
                        const std::string& file) {
  HwmonSensor sensor;
  sensor.chip = chip.name;
  sensor.device = chip.device;
  sensor.channel = channel;
  sensor.quantity = quantity;
  sensor.path = (chip.directory / file).string();
  sensor.averaging_s = milliseconds_of(chip.directory / "update_interval");
  sensor.label = text_of(chip.directory / (channel + "_label"));
  note_disabled(chip, channel, sensor);
  return sensor;
}

void add_energies(const Chip& chip, std::map<int, HwmonSensor>& sensors) {
  for (const std::string& file : chip.files) {
    const auto number = channel_number(file, "energy", "_input");
    if (!number) continue;
    const std::string channel = "energy" + std::to_string(*number);
    sensors.emplace(*number, make_sensor(chip, channel, Quantity::kEnergy, file));
  }
}

// A mean misses nothing between two readings, so it is preferred where the chip has both.
void add_powers(const Chip& chip, std::map<int, HwmonSensor>& sensors) {
  for (const std::string_view suffix : {"_average", "_input"}) {
    for (const std::string& file : chip.files) {
      const auto number = channel_number(file, "power", suffix);
      if (!number) continue;
      const std::string channel = "power" + std::to_string(*number);
      HwmonSensor sensor = make_sensor(chip, channel, Quantity::kPower, file);
      if (sensor.label.empty()) sensor.label = text_of(chip.directory / (channel + "_oem_info"));
      if (suffix == "_average") {
        const double own_s = milliseconds_of(chip.directory / (channel + "_average_interval"));
        if (own_s > 0) sensor.averaging_s = own_s;
      }
      sensors.emplace(*number, std::move(sensor));
    }
  }
}

// Voltage N and current N are one rail only in monitors of the INA kind; there, channels from 4 on
// are shunt voltages and sums.
void add_products(const Chip& chip, std::map<int, HwmonSensor>& sensors) {
  constexpr int kChannels = 3;
  if (!chip.name.starts_with("ina")) return;
  for (int number = 1; number <= kChannels; ++number) {
    const std::string voltage = "in" + std::to_string(number);
    const std::string current = "curr" + std::to_string(number);
    if (!chip.has(voltage + "_input") && !chip.has(current + "_input")) continue;
    HwmonSensor sensor = make_sensor(chip, voltage, Quantity::kPower, voltage + "_input");
    sensor.times_path = (chip.directory / (current + "_input")).string();
    if (sensor.label.empty()) sensor.label = text_of(chip.directory / (current + "_label"));
    if (sensor.defect.empty()) note_disabled(chip, current, sensor);
    sensors.emplace(number, std::move(sensor));
  }
}

std::vector<HwmonSensor> sensors_of(const Chip& chip) {
  std::map<int, HwmonSensor> energies;
  std::map<int, HwmonSensor> powers;
  add_energies(chip, energies);
  add_powers(chip, powers);
  if (powers.empty()) add_products(chip, powers);
  std::vector<HwmonSensor> sensors;
  for (auto* part : {&energies, &powers}) {
    for (auto& [number, sensor] : *part) sensors.push_back(std::move(sensor));
  }
  // The device tree may name a chip as a whole; that names its sensor where there is one only.
  if (sensors.size() == 1 && sensors[0].label.empty()) {
    sensors[0].label = text_of(chip.directory / "label");
  }
  return sensors;
}

std::vector<HwmonSensor> rails_of(const Chip& chip) {
  std::map<int, HwmonSensor> rails;
  for (const std::string& file : chip.files) {
    const auto number = channel_number(file, "in_power", "_input");
    if (!number) continue;
    HwmonSensor sensor;
    sensor.chip = chip.name;
    sensor.device = chip.device;
    sensor.channel = "in_power" + std::to_string(*number);
    sensor.label = text_of(chip.directory / ("rail_name_" + std::to_string(*number)));
    sensor.quantity = Quantity::kPower;
    sensor.path = (chip.directory / file).string();
    sensor.unit_uw = 1000;
    rails.emplace(*number, std::move(sensor));
  }
  std::vector<HwmonSensor> sensors;
  for (auto& [number, sensor] : rails) sensors.push_back(std::move(sensor));
  return sensors;
}

// An entry of /sys/bus/iio/devices is a link into its device's folder.
Chip open_iio(const fs::path& directory) {
  Chip chip{directory, text_of(directory / "name"), "", names_in(directory)};
  std::error_code error;
  const fs::path target = fs::read_symlink(directory, error);
  if (!error) chip.device = printable(target.parent_path().filename().string());
  return chip;
}

using Opener = Chip (*)(const fs::path& directory);
using Lister = std::vector<HwmonSensor> (*)(const Chip& chip);

HwmonListing list_sensors(const std::string& directory, std::string_view stem, Opener open,
                          Lister sensors_of_chip) {
  HwmonListing listing;
  std::error_code error;
  std::vector<Chip> chips;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (entries->path().filename().string().starts_with(stem)) {
      chips.push_back(open(entries->path()));
    }
  }
  listing.error = error.value();
  std::sort(chips.begin(), chips.end(), [](const Chip& a, const Chip& b) {
    return std::tie(a.name, a.device, a.directory) < std::tie(b.name, b.device, b.directory);
  });
  std::map<std::string, int> instances;
  for (const Chip& chip : chips) {
    std::vector<HwmonSensor> sensors = sensors_of_chip(chip);
    if (sensors.empty()) continue;
    const int instance = instances[chip.name]++;
    for (HwmonSensor& sensor : sensors) {
      sensor.instance = instance;
      listing.sensors.push_back(std::move(sensor));
    }
  }
  return listing;
}

}  // namespace

HwmonListing list_hwmon_sensors(const std::string& directory) {
  return list_sensors(directory, "hwmon", open_chip, sensors_of);
}

HwmonListing list_iio_sensors(const std::string& directory) {
  return list_sensors(directory, "iio:device", open_iio, [](const Chip& chip) {
    return chip.name == "ina3221x" ? rails_of(chip) : std::vector<HwmonSensor>();
  });
}

}  // namespace tern::energy
