#pragma once
// Idle power around a study: windows in which nothing runs, with the models loaded and the pool's
// threads parked, before the first trial and after the last one. They are raw samples of the
// record; what is derived from them is derived when it is read.

#include <atomic>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "energy/idle_baseline.h"
#include "harness/record.h"
#include "harness/study.h"

namespace tern::harness {

// Of `tern bench` with a meter: what a window must at least be for a figure in CI, and short beside
// a run of five pairs. To publish, ask for 60.
inline constexpr int kDefaultIdle_s = 10;
// The windows that the seconds of one side are cut into, where there are as many seconds: their
// scatter says how sure idle power is.
inline constexpr int kIdleWindows = 5;

// `seconds` (at least 2) of nothing, in windows. Whoever calls has parked all threads. Windows in
// which `stop` turned true are dropped.
std::vector<energy::IdleWindow> measure_idle(Instruments& instruments, int seconds, bool before,
                                             const std::atomic<bool>* stop);

// The power of windows that were measured; none where one was not, or there are none.
std::optional<double> idle_power_w(const std::vector<energy::IdleWindow>& windows);

// idle[]: appended.
void record_idle(Record& record, const std::vector<energy::IdleWindow>& windows);

// The baseline of idle[]; none where the record has no such part. Entries that cannot be read are
// left out.
std::optional<energy::IdleBaseline> recorded_idle(const Record& record);

// meter: what it is and what its uncertainties assume on a CPU of that maker (energy::cpu_vendor).
// Nothing without a meter.
void record_meter(Record& record, const energy::EnergyMeter& meter, const std::string& cpu_vendor);
std::vector<std::string> recorded_assumptions(const Record& record);

}  // namespace tern::harness
