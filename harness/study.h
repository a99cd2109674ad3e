#pragma once
// The paired study: every test runs r pairs, each subject once per pair, two of them in ABBA order
// and more in a balanced one (trial_order.h), so that a machine that drifts favours nobody. Raw
// trials come out; it computes no statistics. A subject that throws ends the study; the trials
// before it stay.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/subject.h"
#include "harness/trial.h"

namespace tern::harness {

// Clocks and meters of a trial, behind one interface so that tests bring their own time.
class Instruments {
 public:
  virtual ~Instruments() = default;
  virtual std::int64_t unix_ns() = 0;
  virtual std::int64_t monotonic_ns() = 0;  // CLOCK_MONOTONIC_RAW
  virtual void rest(int seconds) = 0;       // sleep before a test
  virtual void start() = 0;                 // meters on
  virtual void stop(Trial& trial) = 0;      // meters off; fills trial.energy and trial.counters
};

struct StudyStep {
  std::string subject;
  std::string test;
  int pair = 0, pairs = 0;
  int done = 0, total = 0;  // measured trials
};

class StudyListener {
 public:
  virtual ~StudyListener() = default;
  virtual void on_start(const StudyStep& step) = 0;
  // Called at once when a trial is finished; an exception from here ends the program's run, not the
  // subject.
  virtual void on_trial(const Trial& trial) = 0;
};

struct StudyPlan {
  std::vector<TestCase> tests;
  int pairs = 5;
  bool warmup = true;
  int delay_s = 0;
  const std::atomic<bool>* stop = nullptr;  // SIGINT
};

struct StudyOutcome {
  std::vector<Trial> trials;
  std::string failure;  // empty when every trial was done
};

class Study {
 public:
  Study(std::vector<Subject*> subjects, StudyPlan plan, Instruments& instruments,
        StudyListener& listener);
  StudyOutcome run();

 private:
  bool run_test(const TestCase& test);
  bool run_trial(std::size_t subject, const TestCase& test, int pair);
  template <class F>
  bool guarded(const Subject& subject, const std::string& doing, F&& work);

  std::vector<Subject*> subjects_;
  StudyPlan plan_;
  Instruments& instruments_;
  StudyListener& listener_;
  std::vector<std::string> hashes_;  // of the verification pass, per subject
  StudyOutcome outcome_;
};

}  // namespace tern::harness
