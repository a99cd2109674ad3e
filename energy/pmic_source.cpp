#include "energy/pmic_source.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "energy/external/child_output.h"
#include "energy/platform.h"
#include "energy/sensor_reader.h"
#include "energy/stamp.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr const char* kName = "pmic";
constexpr double kMost_w = 100;
// Each reading starts a process, which at 50 Hz slows the very work that is measured.
constexpr double kPoll_s = 0.5;

// One line, "NAME_A current(N)=1.5A": its name without the suffix, quantity and value.
struct AdcLine {
  std::string rail;
  char quantity = 'A';  // or 'V'
  std::optional<double> value;
};

std::optional<AdcLine> parse_line(std::string_view line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) line.remove_suffix(1);
  const std::size_t end = line.find(' ');
  const std::size_t equals = line.rfind('=');
  if (end == std::string_view::npos || equals == std::string_view::npos || equals < end) {
    return std::nullopt;
  }
  const std::string_view name = line.substr(0, end);
  if (name.size() < 3 || (!name.ends_with("_A") && !name.ends_with("_V"))) return std::nullopt;
  AdcLine result{std::string(name.substr(0, name.size() - 2)), name.back(), std::nullopt};
  const std::string_view number = line.substr(equals + 1);
  constexpr double kLargest = 100;  // amperes or volts
  double value = 0;
  const char* const stop = number.data() + number.size();
  const auto [rest, error] = std::from_chars(number.data(), stop, value);
  const bool whole = error == std::errc() && stop - rest == 1 && *rest == result.quantity;
  if (whole && std::isfinite(value) && value >= 0 && value <= kLargest) result.value = value;
  return result;
}

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

std::string printable(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, 160)) {
    if (c != '\0') clean += c >= ' ' && c <= '~' ? c : ' ';
  }
  while (!clean.empty() && clean.back() == ' ') clean.pop_back();
  return clean;
}

ChildOutput ask(const std::vector<std::string>& command, std::chrono::milliseconds limit) {
  const double limit_s = std::chrono::duration<double>(limit).count();
  return run_child(command, {.limit_s = limit_s, .plain = true});
}

class PmicSource final : public EnergySource {
 public:
  PmicSource(SourceInfo info, std::vector<std::string> command, std::chrono::milliseconds limit,
             std::vector<std::string> rails)
      : info_(std::move(info)),
        command_(std::move(command)),
        limit_(limit),
        rails_(std::move(rails)) {}

  const SourceInfo& info() const noexcept override { return info_; }

  void read(std::span<Reading> readings) noexcept override {
    if (readings.empty()) return;
    const Stamp stamp;
    const ChildOutput result = ask(command_, limit_);
    readings[0] = {0, stamp.midpoint_ns(), result.error_number};
    if (result.error_number != 0) return;
    const PmicReading pmic = parse_pmic(result.out);
    // Other rails than at the start would be another quantity.
    if (result.exit_code != 0 || !pmic.why.empty() || pmic.rails != rails_) {
      readings[0].error = EBADMSG;
      return;
    }
    readings[0].raw = static_cast<std::uint64_t>(std::llround(pmic.power_w * 1e6));
  }

 private:
  SourceInfo info_;
  std::vector<std::string> command_;
  std::chrono::milliseconds limit_;
  std::vector<std::string> rails_;
};

std::string find_program() {
  constexpr std::array<const char*, 3> kPlaces = {"/usr/bin/vcgencmd", "/usr/local/bin/vcgencmd",
                                                  "/opt/vc/bin/vcgencmd"};
  for (const char* place : kPlaces) {
    if (::access(place, X_OK) == 0) return place;
  }
  return "";
}

bool has_pmic(const std::string& model) {
  return model.find("Raspberry Pi 5") != std::string::npos ||  // and Pi 500
         model.find("Raspberry Pi Compute Module 5") != std::string::npos;
}

Domain domain_of() {
  Domain domain;
  domain.name = "PMIC rails";
  domain.kind = DomainKind::kRail;
  domain.max_power_w = kMost_w;
  domain.included = true;
  pace_power(domain, 0, kPoll_s);
  return domain;
}

Probe failed(const std::string& program, const ChildOutput& result) {
  const std::string asked = program + " pmic_read_adc";
  const int error = result.error_number;
  if (error == ETIMEDOUT) return refused(asked + " did not answer in time");
  if (error != 0) return refused(asked + " failed: " + error_text(error));
  return refused(asked + " failed with exit code " + std::to_string(result.exit_code) + ": " +
                     printable(result.out),
                 "sudo usermod -aG video $USER (and log in again: the firmware answers the group "
                 "video)");
}

}  // namespace

PmicReading parse_pmic(std::string_view text) {
  PmicReading reading;
  std::map<std::string, double> volts;
  std::map<std::string, double> amperes;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const auto line = parse_line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line) continue;
    const std::string name = printable(line->rail);
    if (!line->value) {
      reading.why = "the value of " + name + " is not one that a rail can have";
      return reading;
    }
    auto& values = line->quantity == 'V' ? volts : amperes;
    if (!values.emplace(line->rail, *line->value).second) {
      reading.why = name + " is there twice";
      return reading;
    }
  }
  for (const auto& [rail, current] : amperes) {
    const auto voltage = volts.find(rail);
    if (voltage == volts.end()) {
      reading.why = printable(rail) + " has a current and no voltage";
      return reading;
    }
    reading.rails.push_back(rail);
    reading.power_w += current * voltage->second;
  }
  if (!amperes.contains("VDD_CORE")) {
    reading.why = "there is no rail VDD_CORE, which feeds the CPU";
  }
  return reading;
}

Probe probe_pmic(const PmicOptions& options) {
  const std::string model =
      printable(read_small_file(under_root(options.sysroot, "proc/device-tree/model")).text);
  if (!has_pmic(model)) {
    return refused("not a Raspberry Pi 5" + (model.empty() ? "" : " (" + model + ")"));
  }
  if (!options.live && options.program.empty()) {
    return refused("a copied tree has no firmware to ask");
  }
  const std::string program = options.program.empty() ? find_program() : options.program;
  if (program.empty()) {
    return refused("vcgencmd is not installed", "sudo apt install raspi-utils");
  }
  std::vector<std::string> command = {program, "pmic_read_adc"};
  const ChildOutput result = ask(command, options.limit);
  if (result.error_number != 0 || result.exit_code != 0) return failed(program, result);
  PmicReading reading = parse_pmic(result.out);
  if (!reading.why.empty()) {
    return refused("cannot use what " + program + " pmic_read_adc printed: " + reading.why);
  }
  SourceInfo info;
  info.name = kName;
  info.detail = program + " pmic_read_adc";
  info.domains = {domain_of()};
  info.coverage =
      std::to_string(reading.rails.size()) + " PMIC rails; USB, fan and regulator losses left out";
  info.attributed = is_virtual_machine(options.sysroot);
  return {kName,
          std::make_unique<PmicSource>(std::move(info), std::move(command), options.limit,
                                       std::move(reading.rails)),
          "", ""};
}

}  // namespace tern::energy
