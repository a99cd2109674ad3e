#include "energy/counter_figures.h"

#include <algorithm>
#include <string_view>

namespace tern::energy {
namespace {

// The kernel rounds both times by a few nanoseconds, which is no multiplexing.
constexpr double kWholeShare = 0.999;

const CounterValue* measured(std::span<const CounterValue> values, const char* name) {
  const CounterValue* value = find(values, name);
  return value != nullptr && value->measured ? value : nullptr;
}

}  // namespace

const CounterValue* find(std::span<const CounterValue> values, const char* name) noexcept {
  const auto at = std::find_if(values.begin(), values.end(), [&](const CounterValue& value) {
    return value.name == std::string_view(name);
  });
  return at == values.end() ? nullptr : &*at;
}

CounterFigures figures(std::span<const CounterValue> values) {
  CounterFigures result;
  const CounterValue* cycles = measured(values, "cycles");
  const CounterValue* instructions = measured(values, "instructions");
  if (cycles != nullptr && instructions != nullptr && cycles->value > 0) {
    result.ipc = instructions->value / cycles->value;
  }
  if (cycles != nullptr && cycles->time_s > 0) result.frequency_hz = cycles->value / cycles->time_s;
  result.scaled = std::any_of(values.begin(), values.end(), [](const CounterValue& value) {
    return value.measured && value.running_share < kWholeShare;
  });
  return result;
}

std::vector<CounterValue> sum(std::span<const std::vector<CounterValue>> windows) {
  if (windows.empty()) return {};
  std::vector<CounterValue> total = windows.front();
  for (CounterValue& all : total) {
    for (const std::vector<CounterValue>& window : windows.subspan(1)) {
      if (!all.measured) break;
      const CounterValue* one = find(window, all.name.c_str());
      if (one == nullptr || !one->measured) {
        all = {all.name, false, 0, 0, one == nullptr ? "not counted in every window" : one->why, 0};
        break;
      }
      all.value += one->value;
      all.time_s += one->time_s;
      all.running_share = std::min(all.running_share, one->running_share);
    }
  }
  return total;
}

}  // namespace tern::energy
