#include "harness/study.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "harness/trial_order.h"

namespace tern::harness {

Study::Study(std::vector<Subject*> subjects, StudyPlan plan, Instruments& instruments,
             StudyListener& listener)
    : subjects_(std::move(subjects)),
      plan_(std::move(plan)),
      instruments_(instruments),
      listener_(listener) {}

// Runs work of one subject; a throw becomes the outcome's failure and false.
template <class F>
bool Study::guarded(const Subject& subject, const std::string& doing, F&& work) {
  const auto stopped = [&] { return plan_.stop != nullptr && plan_.stop->load(); };
  try {
    if (!stopped()) work();
  } catch (const std::exception& error) {
    if (!stopped()) {
      outcome_.failure = fmt::format("{} failed in {}: {}", subject.name(), doing, error.what());
    }
  }
  if (stopped()) outcome_.failure = "interrupted by SIGINT";
  return outcome_.failure.empty();
}

StudyOutcome Study::run() {
  outcome_ = {};
  hashes_.assign(subjects_.size(), "");
  for (std::size_t s = 0; s < subjects_.size(); ++s) {
    if (!guarded(*subjects_[s], "the verification pass",
                 [&] { hashes_[s] = subjects_[s]->verify(); })) {
      return std::move(outcome_);
    }
  }
  for (const TestCase& test : plan_.tests) {
    if (!run_test(test)) break;
  }
  return std::move(outcome_);
}

bool Study::run_test(const TestCase& test) {
  if (plan_.delay_s > 0) instruments_.rest(plan_.delay_s);
  if (plan_.warmup) {
    for (Subject* subject : subjects_) {
      if (!guarded(*subject, "the warm-up of " + test.name(), [&] { subject->warm_up(test); }))
        return false;
    }
  }
  for (int pair = 0; pair < plan_.pairs; ++pair) {
    for (const std::size_t subject : trial_order(subjects_.size(), pair)) {
      if (!run_trial(subject, test, pair)) return false;
    }
  }
  return true;
}

bool Study::run_trial(std::size_t index, const TestCase& test, int pair) {
  Subject& subject = *subjects_[index];
  Trial trial;
  trial.subject = subject.name();
  trial.test = test.name();
  trial.pair = pair;
  trial.order_index = static_cast<int>(outcome_.trials.size());
  trial.tokens = test.tokens();
  trial.logits_hash = hashes_[index];
  listener_.on_start(
      {.subject = trial.subject,
       .test = trial.test,
       .pair = pair,
       .pairs = plan_.pairs,
       .done = trial.order_index,
       .total = static_cast<int>(plan_.tests.size() * subjects_.size()) * plan_.pairs});

  const bool fine = guarded(subject, fmt::format("{}, pair {}", trial.test, pair + 1), [&] {
    subject.prepare(test);
    trial.bytes_moved = subject.bytes_moved(test);
    trial.operations = subject.operations(test);
    trial.start_unix_ns = instruments_.unix_ns();
    instruments_.start();
    const std::int64_t begin = instruments_.monotonic_ns();
    try {
      subject.run(test);
    } catch (...) {
      instruments_.stop(trial);  // what is started must be stopped; the trial is dropped
      throw;
    }
    trial.elapsed_ns = instruments_.monotonic_ns() - begin;
    instruments_.stop(trial);
  });
  if (!fine) return false;
  outcome_.trials.push_back(trial);
  listener_.on_trial(outcome_.trials.back());
  return true;
}

}  // namespace tern::harness
