#pragma once
// Repetitions of one command, each with its time, usage, joules and counters, after the idle
// machine was measured where that is asked for. A repetition that fails is kept and ends the
// series: figures of a command that did not do its work mean nothing. No statistics here.

#include <optional>
#include <string>
#include <vector>

#include "energy/energy_meter.h"
#include "harness/child_signals.h"
#include "harness/trial.h"

namespace tern::harness {

struct CommandPlan {
  std::vector<std::string> argv;
  int repetitions = 1;
  int warmup = 0;
  double delay_s = 0;
  double idle_s = 0;
  std::string cpu_vendor = {};  // whose counters the meter reads: for the budget of uncertainty
};

// The idle machine before the series, in blocks, so that its spread is known too.
struct IdlePower {
  double seconds = 0;  // asked for
  std::vector<energy::EnergyDelta> blocks;
  std::string why;                      // why there is no power; empty: there is
  std::optional<double> watts() const;  // mean over all blocks
};

struct SeriesOutcome {
  std::vector<Trial> trials;  // the last one may have failed
  std::optional<IdlePower> idle;
  std::string failure;  // why the series ended early or a run failed; empty: all succeeded
  int exit_code = 0;    // what the whole program ends with: the command's own code, 126 or 127
};

class SeriesListener {
 public:
  virtual ~SeriesListener() = default;
  virtual void on_trial(const Trial& trial) = 0;  // as soon as it is finished
};

inline constexpr const char* kCommandSubject = "command";

// `meter` must not have been started: its background reader must find signals blocked.
SeriesOutcome run_series(const CommandPlan& plan, energy::EnergyMeter& meter, ChildSignals& signals,
                         SeriesListener& listener);

// What must be said of energy that was measured in a window of few updates: each end lies anywhere
// between two of them, which is uniform, so both together have a standard deviation of 1/sqrt(6) of
// an update. Empty where the window is long enough.
std::string short_window_note(const energy::EnergyDelta& energy, const energy::SourceInfo* source);

}  // namespace tern::harness
