#include "harness/study.h"

#include <stdexcept>

#include "harness/quick.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

// Time that passes only when somebody works.
class FakeInstruments final : public Instruments {
 public:
  std::int64_t unix_ns() override { return 1'700'000'000'000'000'000 + now; }
  std::int64_t monotonic_ns() override { return now; }
  void rest(int seconds) override { rested += seconds; }
  void start() override {
    CHECK_FALSE(running);
    running = true;
  }
  void stop(Trial& trial) override {
    CHECK(running);
    running = false;
    trial.energy.why = "a fake";
  }

  std::int64_t now = 0;
  int rested = 0;
  bool running = false;
};

class FakeSubject final : public Subject {
 public:
  FakeSubject(std::string name, std::int64_t cost_ns, FakeInstruments& instruments,
              std::vector<std::string>& log)
      : name_(std::move(name)), cost_ns_(cost_ns), instruments_(instruments), log_(log) {}

  const std::string& name() const noexcept override { return name_; }
  std::string verify() override {
    log_.push_back("verify " + name_);
    return "00000000000000a" + name_.substr(0, 1);
  }
  void prepare(const TestCase& test) override {
    CHECK_FALSE(instruments_.running);  // the fill of the cache is not timed
    instruments_.now += 1'000'000;
    log_.push_back("prepare " + name_ + " " + test.name());
  }
  void warm_up(const TestCase& test) override {
    CHECK_FALSE(instruments_.running);
    log_.push_back("warm " + name_ + " " + test.name());
  }
  void run(const TestCase& test) override {
    CHECK(instruments_.running);
    if (++runs_ == fail_at) throw std::runtime_error("out of luck");
    if (stop != nullptr && runs_ == stop_at) {
      stop->store(true);
      throw std::runtime_error("interrupted");
    }
    instruments_.now += cost_ns_ * test.tokens();
    log_.push_back("run " + name_ + " " + test.name());
  }
  std::int64_t bytes_moved(const TestCase& test) const override { return 10 * test.tokens(); }
  engine::Operations operations(const TestCase& test) const override {
    return {20 * test.tokens(), 30};
  }

  int fail_at = -1;
  int stop_at = -1;
  std::atomic<bool>* stop = nullptr;

 private:
  std::string name_;
  std::int64_t cost_ns_;
  FakeInstruments& instruments_;
  std::vector<std::string>& log_;
  int runs_ = 0;
};

struct Recorder final : StudyListener {
  void on_start(const StudyStep& step) override { steps.push_back(step); }
  void on_trial(const Trial& trial) override {
    if (refuse) throw std::logic_error("the store is full");
    trials.push_back(trial);
  }
  std::vector<StudyStep> steps;
  std::vector<Trial> trials;
  bool refuse = false;
};

struct Fixture {
  FakeInstruments instruments;
  std::vector<std::string> log;
  FakeSubject a{"ternary", 100, instruments, log};
  FakeSubject b{"baseline", 300, instruments, log};
  Recorder recorder;

  StudyOutcome run(StudyPlan plan) {
    return Study({&a, &b}, std::move(plan), instruments, recorder).run();
  }
  std::vector<std::string> order() const {
    std::vector<std::string> names;
    for (const Trial& trial : recorder.trials) names.push_back(trial.test + " " + trial.subject);
    return names;
  }
};

TEST_CASE("tests are named as llama-bench names them") {
  CHECK(TestCase{.prompt = 512}.name() == "pp512");
  CHECK(TestCase{.gen = 128}.name() == "tg128");
  CHECK(TestCase{.prompt = 512, .gen = 128}.name() == "pp512+tg128");
  CHECK(TestCase{.gen = 128, .depth = 512}.name() == "tg128 @ d512");
  CHECK(TestCase{.prompt = 5, .gen = 2, .depth = 9}.tokens() == 7);
  CHECK(TestCase{.prompt = 5, .gen = 2, .depth = 9}.positions() == 16);
}

TEST_CASE("pairs alternate their order, each test by itself") {
  Fixture f;
  const StudyOutcome outcome = f.run({.tests = {{.prompt = 4}, {.gen = 2}}, .pairs = 3});
  CHECK(outcome.failure.empty());
  CHECK(f.order() == std::vector<std::string>{"pp4 ternary", "pp4 baseline", "pp4 baseline",
                                              "pp4 ternary", "pp4 ternary", "pp4 baseline",
                                              "tg2 ternary", "tg2 baseline", "tg2 baseline",
                                              "tg2 ternary", "tg2 ternary", "tg2 baseline"});
}

TEST_CASE("three subjects take turns in a balanced order, a round being a pair") {
  Fixture f;
  FakeSubject c{"other", 500, f.instruments, f.log};
  Study study({&f.a, &f.b, &c}, {.tests = {{.gen = 2}}, .pairs = 7}, f.instruments, f.recorder);
  const StudyOutcome outcome = study.run();
  CHECK(outcome.failure.empty());
  REQUIRE(outcome.trials.size() == 21);
  CHECK(f.recorder.steps.back().total == 21);
  std::string order;
  for (const Trial& trial : outcome.trials) {
    CHECK(trial.pair == trial.order_index / 3);
    if (!order.empty() && trial.order_index % 3 == 0) order += ' ';
    order += trial.subject == "ternary" ? 'A' : trial.subject == "baseline" ? 'B' : 'C';
  }
  CHECK(order == "ABC CBA BCA ACB CAB BAC ABC");
}

TEST_CASE("a trial holds the timed window only, and everything else about it") {
  Fixture f;
  const StudyOutcome outcome = f.run({.tests = {{.prompt = 4, .depth = 8}}, .pairs = 2});
  REQUIRE(outcome.trials.size() == 4);
  REQUIRE(f.recorder.trials.size() == 4);
  for (int i = 0; i < 4; ++i) {
    const Trial& trial = outcome.trials[static_cast<std::size_t>(i)];
    CHECK(trial.order_index == i);
    CHECK(trial.pair == i / 2);
    CHECK(trial.tokens == 4);
    CHECK(trial.bytes_moved == 40);
    CHECK(trial.operations.int8 == 80);
    CHECK(trial.operations.fp32 == 30);
    CHECK(trial.elapsed_ns == (trial.subject == "ternary" ? 400 : 1200));
    CHECK(trial.start_unix_ns > 1'700'000'000'000'000'000);
    CHECK(trial.energy.why == "a fake");
    CHECK(trial.logits_hash ==
          (trial.subject == "ternary" ? "00000000000000at" : "00000000000000ab"));
    CHECK(f.recorder.steps[static_cast<std::size_t>(i)].done == i);
    CHECK(f.recorder.steps[static_cast<std::size_t>(i)].total == 4);
  }
}

TEST_CASE("verification comes first, a warm-up before each test, and both can be told apart") {
  Fixture f;
  f.run({.tests = {{.gen = 1}}, .pairs = 1});
  CHECK(f.log == std::vector<std::string>{"verify ternary", "verify baseline", "warm ternary tg1",
                                          "warm baseline tg1", "prepare ternary tg1",
                                          "run ternary tg1", "prepare baseline tg1",
                                          "run baseline tg1"});
  Fixture cold;
  cold.run({.tests = {{.gen = 1}}, .pairs = 1, .warmup = false, .delay_s = 7});
  CHECK(cold.log.size() == 6);
  CHECK(cold.instruments.rested == 7);
}

TEST_CASE("a subject that throws ends the study, and what was done stays") {
  Fixture f;
  f.b.fail_at = 2;  // pair 2 begins with the baseline
  const StudyOutcome outcome = f.run({.tests = {{.gen = 1}}, .pairs = 3});
  CHECK(outcome.failure == "baseline failed in tg1, pair 2: out of luck");
  CHECK(outcome.trials.size() == 2);
  CHECK(f.recorder.trials.size() == 2);
  CHECK_FALSE(f.instruments.running);  // the meters of the failed trial were stopped
}

TEST_CASE("an interrupt drops the trial in flight and says so") {
  Fixture f;
  std::atomic<bool> stop{false};
  f.a.stop = &stop;
  f.a.stop_at = 2;
  const StudyOutcome outcome = f.run({.tests = {{.gen = 1}}, .pairs = 3, .stop = &stop});
  CHECK(outcome.failure == "interrupted by SIGINT");
  CHECK(outcome.trials.size() == 3);

  Fixture before;
  CHECK(before.run({.tests = {{.gen = 1}}, .stop = &stop}).failure == "interrupted by SIGINT");
  CHECK(before.log.empty());
}

TEST_CASE("a store that fails is not the subject's failure") {
  Fixture f;
  f.recorder.refuse = true;
  CHECK_THROWS_AS(f.run({.tests = {{.gen = 1}}}), std::logic_error);
}

TEST_CASE("tokens are seeded, in range and not all alike") {
  CHECK(seeded_token(1, 0, 1000) == seeded_token(1, 0, 1000));
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    const int token = seeded_token(kTokenSeed, i, 7);
    CHECK(token >= 0);
    CHECK(token < 7);
    different += token != seeded_token(kTokenSeed, i + 1, 7);
  }
  CHECK(different > 50);
}

TEST_CASE("the quick look shrinks until it fits its budget") {
  CHECK(quick_level({.prompt_s = 0.01, .gen_s = 0.1}, 3, 60) == 0);
  const int level = quick_level({.prompt_s = 0.1, .gen_s = 0.5}, 3, 60);
  CHECK(level > 0);
  CHECK(level < kQuickLevels - 1);
  CHECK(quick_level({.prompt_s = 100, .gen_s = 100}, 3, 60) == kQuickLevels - 1);
  // 3 pairs and a warm-up: 4 x 128 prompt tokens and 3 x 32 + 1 steps, 512 + 97 s.
  CHECK(quick_level({.prompt_s = 1, .gen_s = 1}, 3, 609) == 0);
  CHECK(quick_level({.prompt_s = 1, .gen_s = 1}, 3, 608) == 1);
  CHECK(quick_tests(0)[0].name() == "pp128");
  CHECK(quick_tests(0)[1].name() == "tg32");
}

TEST_CASE("the quick look takes a smaller shape where memory is short") {
  constexpr std::int64_t kGib = std::int64_t{1} << 30;
  CHECK(quick_model(64 * kGib) == "synth:bitnet-b1.58-2b4t");
  const std::string middle = quick_model(2 * kGib);
  CHECK(middle != "synth:bitnet-b1.58-2b4t");
  CHECK(middle != "synth:tiny");
  CHECK(quick_model(0) == "synth:tiny");  // says no more than it must; loading it then explains
}

}  // namespace
}  // namespace tern::harness
