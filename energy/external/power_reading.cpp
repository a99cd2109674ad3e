#include "energy/external/power_reading.h"

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "energy/external/text.h"

namespace tern::energy {
namespace {

using nlohmann::json;

// One step into the answer: a member's name, or "0" for the first of a list.
using Path = std::span<const char* const>;

std::string written(Path path) {
  std::string text;
  for (const char* step : path) {
    if (*step == '0') {
      text += "[0]";
    } else {
      text += (text.empty() ? "" : ".") + std::string(step);
    }
  }
  return text;
}

std::string described(const json& value) {
  if (value.is_string()) return shown(value.get_ref<const std::string&>());
  if (value.is_array()) return "a list of " + std::to_string(value.size());
  if (!value.is_object()) return value.dump();
  constexpr int kNames = 3;
  std::string text = "an object";
  int names = 0;
  for (const auto& item : value.items()) {
    if (names == kNames) return text + ", …";
    text += (names++ == 0 ? " with " : ", ") + shown(item.key());
  }
  return names == 0 ? "an empty object" : text;
}

// The value at path; where there is none, *missed is the innermost value that exists.
const json* find(const json& root, Path path, const json** missed) {
  const json* value = &root;
  for (const char* step : path) {
    *missed = value;
    if (*step == '0') {
      if (!value->is_array() || value->empty()) return nullptr;
      value = &value->front();
    } else {
      if (!value->is_object()) return nullptr;
      const auto member = value->find(step);
      if (member == value->end()) return nullptr;
      value = &*member;
    }
  }
  return value;
}

std::string out_of_range(const std::string& what, double value, const char* unit, double limit) {
  return what + " is " + short_number(value) + " " + unit + ", expected 0 to " +
         short_number(limit) + " " + unit;
}

// A number at path in [0, limit], times factor.
Parsed<double> number_at(const json& root, Path path, const char* unit, double limit,
                         double factor = 1) {
  const json* missed = &root;
  const json* const value = find(root, path, &missed);
  if (value == nullptr || !value->is_number()) {
    return Parsed<double>::failed("expected a number at " + written(path) + ", got " +
                                  described(value == nullptr ? *missed : *value));
  }
  const double number = value->get<double>() * factor;
  // Written so that not-a-number fails too.
  if (!(number >= 0 && number <= limit)) {
    return Parsed<double>::failed(out_of_range(written(path), number, unit, limit));
  }
  return number;
}

bool has(const json& root, Path path) {
  const json* missed = nullptr;
  return find(root, path, &missed) != nullptr;
}

// The power; or, of a meter that does not tell it, the counter alone. A value that is there and
// wrong is never passed over for the other one.
Parsed<PowerReading> read_both(std::string_view body, Path power, double max_power_w, Path counter,
                               double wh_per_unit) {
  const json root = json::parse(body, nullptr, false);
  if (root.is_discarded()) return Parsed<PowerReading>::failed("expected JSON, got " + shown(body));
  PowerReading reading;
  const bool has_counter = !counter.empty() && has(root, counter);
  if (has_counter) {
    const Parsed<double> wh = number_at(root, counter, "Wh", kMaxCounter_wh, wh_per_unit);
    if (!wh) return Parsed<PowerReading>::failed(wh.error);
    reading.counter_wh = *wh;
  }
  if (!has_counter || has(root, power)) {
    const Parsed<double> watts = number_at(root, power, "W", max_power_w);
    if (!watts) return Parsed<PowerReading>::failed(watts.error);
    reading.power_w = *watts;
  }
  return reading;
}

}  // namespace

Parsed<PowerReading> parse_shelly(std::string_view body) {
  static constexpr const char* kPower[] = {"apower"};
  static constexpr const char* kCounter[] = {"aenergy", "total"};
  return read_both(body, kPower, kMaxPlug_w, kCounter, 1);
}

Parsed<PowerReading> parse_tasmota(std::string_view body) {
  static constexpr const char* kPower[] = {"StatusSNS", "ENERGY", "Power"};
  static constexpr const char* kCounter[] = {"StatusSNS", "ENERGY", "Total"};
  return read_both(body, kPower, kMaxPlug_w, kCounter, 1000);
}

Parsed<PowerReading> parse_redfish(std::string_view body) {
  static constexpr const char* kPower[] = {"PowerControl", "0", "PowerConsumedWatts"};
  return read_both(body, kPower, kMaxNode_w, {}, 1);
}

Parsed<PowerReading> parse_dcmi(std::string_view text) {
  constexpr std::string_view kLabel = "Instantaneous power reading:";
  constexpr std::string_view kUnit = " Watts";
  const std::size_t at = text.find(kLabel);
  if (at == std::string_view::npos) {
    return Parsed<PowerReading>::failed("expected a line \"" + std::string(kLabel) +
                                        " N Watts\", got " + shown(text));
  }
  std::string_view rest = text.substr(at + kLabel.size());
  std::string_view line = take_field(rest, '\n');
  while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
  while (line.ends_with(' ') || line.ends_with('\r')) line.remove_suffix(1);
  std::optional<double> watts;
  if (line.ends_with(kUnit)) watts = parse_finite(line.substr(0, line.size() - kUnit.size()));
  if (!watts) {
    return Parsed<PowerReading>::failed("expected \"N Watts\" as the power reading, got " +
                                        shown(line));
  }
  if (text.find("deactivated") != std::string_view::npos) {
    return Parsed<PowerReading>::failed("power readings are deactivated on this BMC");
  }
  if (!(*watts >= 0 && *watts <= kMaxNode_w)) {
    return Parsed<PowerReading>::failed(out_of_range("the power reading", *watts, "W", kMaxNode_w));
  }
  return PowerReading{*watts, std::nullopt};
}

}  // namespace tern::energy
