#pragma once
// The plain value between whoever measures and whoever records or reports: one repetition of one
// test by one subject. Raw numbers only; ratios and intervals are computed when read.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "energy/energy_meter.h"
#include "energy/perf_counters.h"
#include "engine/operations.h"
#include "harness/command_usage.h"

namespace tern::harness {

struct Trial {
  std::string subject;  // "ternary", "baseline"
  std::string test;     // "pp512", "tg128 @ d512"
  int pair = 0;         // which pair of the study, from 0
  int order_index = 0;  // position among all measured trials of the study, from 0
  std::int64_t start_unix_ns = 0;
  std::int64_t elapsed_ns = 0;  // CLOCK_MONOTONIC_RAW
  std::int64_t cpu_ns = 0;      // CPU time of all threads of the process; 0: not known
  std::int64_t tokens = 0;
  std::int64_t bytes_moved = 0;   // counted from the shapes, not measured
  engine::Operations operations;  // as bytes_moved; linear layers and head
  energy::EnergyDelta energy;
  std::vector<energy::CounterValue> counters;
  std::string logits_hash;              // 16 hex digits, from the untimed verification pass
  std::optional<CommandUsage> command;  // a repetition of tern measure, which has no tokens
};

}  // namespace tern::harness
