#pragma once
// Trials with every kind of energy and counter, for tests of records and of the store.

#include <string>

#include "harness/trial.h"

namespace tern::harness {

inline Trial measured_trial(int order_index) {
  Trial trial;
  trial.subject = order_index % 2 == 0 ? "ternary" : "baseline";
  trial.test = "tg128 @ d512";
  trial.pair = order_index / 2;
  trial.order_index = order_index;
  trial.start_unix_ns = 1'764'000'000'123'456'789;
  trial.elapsed_ns = 2'000'000'001;
  trial.cpu_ns = 3'999'999'999;
  trial.tokens = 128;
  trial.bytes_moved = 9'007'199'254'740'993;  // not a double
  trial.operations = {9'007'199'254'740'995, 1'000'000'000};
  trial.energy.status = energy::Status::kMeasured;
  trial.energy.source = "powercap";
  trial.energy.coverage = "1 of 1 packages + dram";
  trial.energy.window_s = 2.001;
  trial.energy.updates = 21;
  trial.energy.total_joules = 84.25;
  trial.energy.domains = {{"package-0", true, 80.25, true, ""},
                          {"package-0/dram", true, 4, true, ""},
                          {"psys", true, 120.5, false, "holds the package"},
                          {"package-1", false, 0, true, "the counter did not move"}};
  trial.counters = {{"cycles", true, 5e9, 1.0, ""}, {"instructions", false, 0, 0, "no PMU"}};
  trial.logits_hash = "0123456789abcdef";
  return trial;
}

inline Trial unmeasured_trial(int order_index) {
  Trial trial = measured_trial(order_index);
  trial.energy = {};
  trial.energy.why = "powercap: no such folder";
  return trial;
}

}  // namespace tern::harness
