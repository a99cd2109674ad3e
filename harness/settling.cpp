#include "harness/settling.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr int kLongest_s = 180;
constexpr int kLongestBlind_s = 30;

const char* name(SettlingEnd end) {
  switch (end) {
    case SettlingEnd::kCool:
      return "cool";
    case SettlingEnd::kLimit:
      return "limit";
    case SettlingEnd::kNoSensor:
      break;
  }
  return "no_sensor";
}

}  // namespace

SettlingPlan settling_plan(int idle_s, bool before, bool after_trials) {
  SettlingPlan plan;
  plan.before = before;
  plan.limit_s = std::min(3 * idle_s, kLongest_s);
  plan.blind_s = after_trials ? std::min(idle_s, kLongestBlind_s) : 0;
  return plan;
}

Settling settle(Instruments& instruments, const SettlingPlan& plan) {
  const auto stopped = [&] { return plan.stop != nullptr && plan.stop->load(); };
  Settling settling;
  settling.before = plan.before;
  settling.start_unix_ns = instruments.unix_ns();
  std::optional<double> excess_c = plan.excess_c();
  if (!excess_c) {
    settling.rest_s = plan.blind_s;
    if (plan.blind_s > 0) instruments.rest(plan.blind_s);
    return settling;
  }
  settling.first_excess_c = *excess_c;
  while (*excess_c > kCool_c && settling.rest_s < plan.limit_s && !stopped()) {
    instruments.rest(1);
    ++settling.rest_s;
    excess_c = plan.excess_c().value_or(*excess_c);
  }
  settling.last_excess_c = *excess_c;
  settling.end = *excess_c <= kCool_c ? SettlingEnd::kCool : SettlingEnd::kLimit;
  return settling;
}

std::optional<double> temperature_excess_c(const json& now, const json& start) {
  std::optional<double> most_c;
  if (!now.contains("temperatures_c") || !start.contains("temperatures_c")) return most_c;
  const json& reference = start["temperatures_c"];
  for (const auto& [sensor, value_c] : now["temperatures_c"].items()) {
    if (!reference.contains(sensor)) continue;
    const double excess_c = value_c.get<double>() - reference[sensor].get<double>();
    most_c = std::max(most_c.value_or(excess_c), excess_c);
  }
  return most_c;
}

void record_settling(Record& record, const Settling& settling) {
  json part = {{"when", settling.before ? "before" : "after"},
               {"start_unix_ns", settling.start_unix_ns},
               {"rest_s", settling.rest_s},
               {"ended", name(settling.end)}};
  if (settling.end != SettlingEnd::kNoSensor) {
    part["excess_c"] = {{"first", settling.first_excess_c}, {"last", settling.last_excess_c}};
  }
  record.document()["settling"].push_back(std::move(part));
}

}  // namespace tern::harness
