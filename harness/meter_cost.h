#pragma once
// What the meter itself costs: pairs of trials of one test by one subject, one with the meter
// running and one with it off, in mirrored order. The trials are kept apart from those of the
// study, so that no figure of a subject holds one that nobody metered; ratios are derived on
// reading.

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "energy/energy_meter.h"
#include "harness/record.h"
#include "harness/statistics.h"
#include "harness/study.h"

namespace tern::harness {

inline constexpr int kMeterCostPairs = 10;  // unless told otherwise

// Trial::subject of the two sides.
inline constexpr const char* kMeterOn = "meter on";
inline constexpr const char* kMeterOff = "meter off";

// The first test that only decodes, or the first of all.
const TestCase& meter_cost_test(const std::vector<TestCase>& tests);

struct MeterCost {
  std::string why;      // not measured, or not all of it
  std::string subject;  // who ran the test
  std::string test;
  std::vector<Trial> trials;
};

struct MeterCostPlan {
  TestCase test;
  int pairs = kMeterCostPairs;
  bool warmup = true;
  const std::atomic<bool>* stop = nullptr;  // SIGINT
  std::function<void(const StudyStep&)> on_start = {};
};

// "Off" is as if it had not been opened: nothing reads it, and its own threads are paused. Without
// a usable meter nothing runs. `clock` gives the time only; the meter is left as it was.
MeterCost measure_meter_cost(Subject& subject, const MeterCostPlan& plan,
                             energy::EnergyMeter& meter, Instruments& clock);

// meter_cost
void record_meter_cost(Record& record, const MeterCost& cost);
// None where the record has no such part. Trials that cannot be read are left out.
std::optional<MeterCost> recorded_meter_cost(const Record& record);

// Speed with the meter over speed without, of the pairs that have both; none without a pair.
std::optional<PairedRatio> meter_speed_ratio(const MeterCost& cost);

// One sentence for the figure or its absence, and one for what weakens it.
std::vector<std::string> meter_cost_notes(const MeterCost& cost);

}  // namespace tern::harness
