#pragma once
// A rest before idle windows that follow work: heat leaks power, and fans run on, so a machine that
// has just worked draws more than an idle one. It ends when the sensors are about as cool as they
// were before any work, and is bounded; the record says how it ended.

#include <atomic>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "harness/record.h"
#include "harness/study.h"

namespace tern::harness {

// Cool enough: no sensor this far above what it showed before any work.
inline constexpr double kCool_c = 2;

struct SettlingPlan {
  bool before = true;  // the windows before the trials; else those after them
  int limit_s = 0;     // the longest rest
  int blind_s = 0;     // the rest where no sensor says how warm it is
  // How far the warmest sensor is above its reading before any work; none without sensors.
  std::function<std::optional<double>()> excess_c;
  const std::atomic<bool>* stop = nullptr;
};

enum class SettlingEnd : std::uint8_t { kCool, kLimit, kNoSensor };

struct Settling {
  bool before = true;
  std::int64_t start_unix_ns = 0;
  int rest_s = 0;
  SettlingEnd end = SettlingEnd::kNoSensor;
  double first_excess_c = 0, last_excess_c = 0;  // meaningless without a sensor
};

// For idle windows of idle_s seconds: with sensors up to three times as long, but no more than the
// three minutes after which reference protocols end a warm-up too; without, as long as the windows
// and at most half a minute, and after trials only.
SettlingPlan settling_plan(int idle_s, bool before, bool after_trials);

// Whoever calls has parked all threads.
Settling settle(Instruments& instruments, const SettlingPlan& plan);

// The most that a sensor of both snapshots of the environment (environment_snapshot) rose; none
// where they share no sensor.
std::optional<double> temperature_excess_c(const nlohmann::json& now, const nlohmann::json& start);

// settling[]: appended.
void record_settling(Record& record, const Settling& settling);

}  // namespace tern::harness
