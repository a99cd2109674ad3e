#include "harness/command_series.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "energy/child_counters.h"
#include "energy/uncertainty_budget.h"
#include "harness/child_process.h"

namespace tern::harness {
namespace {

constexpr int kIdleBlocks = 5;
constexpr double kShortestIdleBlock_s = 1;
constexpr std::size_t kMostTestName = 80;

// 126 and 127 as POSIX gives them to a shell, env and timeout.
int exec_exit_code(int error) { return error == ENOENT || error == ENOTDIR ? 127 : 126; }

std::string exec_failure(const std::string& program, int error) {
  const bool searched = program.find('/') == std::string::npos && error == ENOENT;
  return fmt::format("could not run \"{}\": {}", program,
                     searched ? "not found in PATH" : std::strerror(error));
}

class Series {
 public:
  Series(const CommandPlan& plan, energy::EnergyMeter& meter, ChildSignals& signals,
         SeriesListener& listener)
      : plan_(plan), meter_(meter), signals_(signals), listener_(listener) {}

  SeriesOutcome run() {
    if (plan_.idle_s > 0) measure_idle();
    for (int i = 0; i < plan_.warmup && !ended(); ++i) warm_up(i);
    for (int i = 0; i < plan_.repetitions && !ended(); ++i) repeat(i);
    return std::move(outcome_);
  }

 private:
  // A signal also ends what no child was there to hear.
  bool ended() {
    if (!outcome_.failure.empty()) return true;
    const int signal = signals_.stop_signal();
    if (signal == 0) return false;
    outcome_.failure = fmt::format("stopped by {} after {} of {} repetitions", signal_name(signal),
                                   outcome_.trials.size(), plan_.repetitions);
    outcome_.exit_code = 128 + signal;
    return true;
  }

  void measure_idle() {
    IdlePower idle;
    idle.seconds = plan_.idle_s;
    // Without a meter there is nothing to wait for.
    const int blocks = !meter_.usable()                                     ? 1
                       : plan_.idle_s >= kIdleBlocks * kShortestIdleBlock_s ? kIdleBlocks
                                                                            : 1;
    for (int i = 0; i < blocks && idle.why.empty(); ++i) {
      meter_.start();
      const bool rested = !meter_.usable() || signals_.sleep(plan_.idle_s / blocks);
      idle.blocks.push_back(meter_.stop());
      const energy::EnergyDelta& block = idle.blocks.back();
      if (!rested) idle.why = "interrupted";
      if (block.status == energy::Status::kNotMeasured) idle.why = block.why;
    }
    outcome_.idle = std::move(idle);
  }

  void pause() {
    if (started_ && plan_.delay_s > 0) signals_.sleep(plan_.delay_s);
    started_ = true;
  }

  void warm_up(int index) {
    pause();
    if (ended()) return;
    const ChildHooks nothing{[](int) {}, [] {}};
    const ChildRun run = run_child(plan_.argv, signals_, nothing);
    judge(run, fmt::format("warm-up {} of {}", index + 1, plan_.warmup));
  }

  void repeat(int index) {
    pause();
    if (ended()) return;
    std::unique_ptr<energy::ChildCounters> counters;
    Trial trial;
    const ChildRun run = run_child(
        plan_.argv, signals_,
        {.ready =
             [&](int process_id) {
               counters =
                   std::make_unique<energy::ChildCounters>(energy::command_events(), process_id);
               meter_.start();
             },
         .ended = [&] { trial.energy = energy::stop_with_budget(meter_, plan_.cpu_vendor); }});
    judge(run, fmt::format("repetition {} of {}", index + 1, plan_.repetitions));
    if (run.exec_error != 0) return;
    trial.subject = kCommandSubject;
    trial.test = command_line_text(plan_.argv, kMostTestName);
    trial.pair = index;
    trial.order_index = index;
    trial.start_unix_ns = run.start_unix_ns;
    trial.elapsed_ns = run.elapsed_ns;
    trial.cpu_ns = run.usage.user_ns + run.usage.system_ns;
    trial.counters = counters->read();
    trial.command = run.usage;
    if (outcome_.idle.has_value()) trial.energy.idle_w = outcome_.idle->watts();
    outcome_.trials.push_back(std::move(trial));
    listener_.on_trial(outcome_.trials.back());
  }

  void judge(const ChildRun& run, const std::string& which) {
    if (run.exec_error != 0) {
      outcome_.exit_code = exec_exit_code(run.exec_error);
      outcome_.failure = exec_failure(plan_.argv.front(), run.exec_error);
      return;
    }
    outcome_.exit_code = run.usage.exit_code;
    if (run.usage.why.empty()) return;
    outcome_.failure = fmt::format("{} failed: {}", which, run.usage.why);
  }

  const CommandPlan& plan_;
  energy::EnergyMeter& meter_;
  ChildSignals& signals_;
  SeriesListener& listener_;
  SeriesOutcome outcome_;
  bool started_ = false;  // a run has been started, so that the next one is to wait
};

}  // namespace

std::optional<double> IdlePower::watts() const {
  if (!why.empty()) return std::nullopt;
  double joules = 0, window_s = 0;
  for (const energy::EnergyDelta& block : blocks) {
    joules += block.total_joules;
    window_s += block.window_s;
  }
  if (window_s <= 0) return std::nullopt;
  return joules / window_s;
}

SeriesOutcome run_series(const CommandPlan& plan, energy::EnergyMeter& meter, ChildSignals& signals,
                         SeriesListener& listener) {
  return Series(plan, meter, signals, listener).run();
}

std::string short_window_note(const energy::EnergyDelta& energy, const energy::SourceInfo* source) {
  constexpr double kEnoughUpdates = 100;
  const double kEdges = std::sqrt(1.0 / 6.0);
  if (energy.status == energy::Status::kNotMeasured || source == nullptr) return "";
  double update_s = 0;
  for (const energy::Domain& domain : source->domains) {
    if (domain.included) update_s = std::max(update_s, domain.update_s);
  }
  if (energy.window_s >= kEnoughUpdates * update_s) return "";
  return fmt::format(
      "the window of {:.3g} s is shorter than {:.0f} updates of the meter ({:.3g} s each): where "
      "it begins and ends between updates is worth ±{:.2g} % of the energy (one standard "
      "deviation)",
      energy.window_s, kEnoughUpdates, update_s, 100 * kEdges * update_s / energy.window_s);
}

}  // namespace tern::harness
