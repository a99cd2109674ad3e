#include "energy/battery_source.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "energy/platform.h"
#include "energy/sensor_file.h"
#include "energy/sensor_reader.h"
#include "energy/stamp.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "battery";
// Batteries answer with a value that is 1 to 30 s old (energy.md section 1.7).
constexpr double kRefresh_s = 30;
constexpr double kMost_w = 500;

// 0 and the magnitude, or an errno value: some drivers give what leaves a battery a minus sign.
int read_magnitude(const SensorFile& file, std::uint64_t& value) noexcept {
  std::int64_t signed_value = 0;
  if (file.open_error() != 0) return file.open_error();
  if (const int error = file.read(signed_value); error != 0) return error;
  if (signed_value == std::numeric_limits<std::int64_t>::min()) return ERANGE;
  value = static_cast<std::uint64_t>(std::abs(signed_value));
  return 0;
}

class Battery {
 public:
  explicit Battery(const fs::path& directory)
      : name(directory.filename().string()),
        status_path_((directory / "status").string()),
        power_((directory / "power_now").string()),
        current_((directory / "current_now").string()),
        voltage_((directory / "voltage_now").string()) {}

  FileText status() const { return read_small_file(status_path_); }

  int read(std::uint64_t& power_uw) const noexcept {
    if (power_.open_error() != ENOENT) return read_magnitude(power_, power_uw);
    std::uint64_t current_ua = 0;
    std::uint64_t voltage_uv = 0;
    std::uint64_t product = 0;
    if (const int error = read_magnitude(current_, current_ua); error != 0) return error;
    if (const int error = read_magnitude(voltage_, voltage_uv); error != 0) return error;
    if (__builtin_mul_overflow(current_ua, voltage_uv, &product)) return ERANGE;
    power_uw = product / 1'000'000;
    return 0;
  }

  std::string name;

 private:
  std::string status_path_;
  SensorFile power_;
  SensorFile current_;
  SensorFile voltage_;
};

// All batteries are one domain: machines with two empty them one after the other.
class BatterySource final : public EnergySource {
 public:
  BatterySource(SourceInfo info, std::vector<Battery> batteries)
      : info_(std::move(info)), batteries_(std::move(batteries)) {}

  const SourceInfo& info() const noexcept override { return info_; }

  void read(std::span<Reading> readings) noexcept override {
    if (readings.empty()) return;
    Reading& reading = readings[0];
    reading.raw = 0;
    const Stamp stamp;
    reading.error = read_all(reading.raw);
    reading.time_ns = stamp.midpoint_ns();
  }

 private:
  // ENODATA: on mains power, or a battery that keeps its rate to itself.
  int read_all(std::uint64_t& power_uw) const noexcept {
    for (const Battery& battery : batteries_) {
      const FileText status = battery.status();
      if (status.error != 0) return status.error;
      if (status.text == "Charging") return ENODATA;
      if (status.text != "Discharging") continue;
      std::uint64_t one_uw = 0;
      if (const int error = battery.read(one_uw); error != 0) return error;
      if (__builtin_add_overflow(power_uw, one_uw, &power_uw)) return ERANGE;
    }
    return power_uw == 0 ? ENODATA : 0;
  }

  SourceInfo info_;
  std::vector<Battery> batteries_;
};

bool is_machine_battery(const fs::path& directory) {
  const auto holds = [&](const char* file, const char* text) {
    return read_small_file((directory / file).string()).text == text;
  };
  return holds("type", "Battery") && !holds("scope", "Device") && !holds("present", "0");
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.substr(0, 32);
}

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

Domain domain_of(const std::string& name) {
  Domain domain;
  domain.name = name;
  domain.kind = DomainKind::kWall;
  domain.max_power_w = kMost_w;
  domain.included = true;
  pace_power(domain, kRefresh_s);
  domain.no_data = "the battery was not discharging, or gave no rate";
  return domain;
}

}  // namespace

Probe probe_battery(const std::string& sysroot) {
  const std::string directory = under_root(sysroot, "sys/class/power_supply");
  std::error_code error;
  std::vector<fs::path> paths;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (is_machine_battery(entries->path())) paths.push_back(entries->path());
  }
  if (paths.empty()) return refused(directory + " has no battery that feeds the machine");
  std::sort(paths.begin(), paths.end());
  std::vector<Battery> batteries;
  std::string names;
  std::string states;
  for (const fs::path& path : paths) {
    const Battery& battery = batteries.emplace_back(path);
    names += (names.empty() ? "" : " + ") + printable(battery.name);
    states += (states.empty() ? "" : ", ") + printable(battery.name) + ": " +
              printable(battery.status().text);
  }
  SourceInfo info;
  info.name = kName;
  info.detail = directory;
  info.domains = {domain_of(names)};
  info.coverage = "the whole machine on battery (" + names + "), screen and all else included";
  info.attributed = is_virtual_machine(sysroot);
  auto source = std::make_unique<BatterySource>(std::move(info), std::move(batteries));
  Reading reading;
  source->read({&reading, 1});
  if (reading.error == ENODATA) {
    return refused(
        "no battery is discharging (" + states + "): on mains power its rate is not the machine's",
        "unplug the power supply");
  }
  if (reading.error == EBADMSG || reading.error == ERANGE) {
    return refused("the rate of " + names + " is not a number that a battery can give");
  }
  if (reading.error != 0) {
    return refused("cannot read the rate of " + names + " (" + error_text(reading.error) +
                   "): neither power_now nor current_now with voltage_now");
  }
  return {kName, std::move(source), "", ""};
}

}  // namespace tern::energy
