#pragma once
// A subject: something that can run the tests of a study. The interface is tiny so that a study is
// tested with fakes; EngineSubject drives our own engine. Timing and metering are not its business.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/phase_times.h"
#include "engine/session.h"

namespace tern::harness {

// One llama-bench test: a prompt of `prompt` tokens, then `gen` single-token steps, in a cache that
// already holds `depth` tokens. Either may be 0; with both, they share one timed window (-pg). With
// several sequences each has that depth and prompt, and each step is one token of every sequence.
struct TestCase {
  int prompt = 0;
  int gen = 0;
  int depth = 0;
  int sequences = 1;

  std::string name() const;  // "pp512", "tg128", "pp512+tg128", "tg128 @ d512", "tg64 x16 @ d512"
  // Of all sequences.
  std::int64_t tokens() const noexcept { return (std::int64_t{prompt} + gen) * sequences; }
  // Of the cache, for each sequence.
  std::int64_t positions() const noexcept { return std::int64_t{depth} + prompt + gen; }
};

class Subject {
 public:
  virtual ~Subject() = default;
  virtual const std::string& name() const noexcept = 0;
  // The untimed verification pass: fingerprint of the logits of a fixed prompt, 16 hex digits.
  // Throws when they depend on how many sequences run together.
  virtual std::string verify() = 0;
  // Untimed: makes the cache of every sequence hold exactly test.depth tokens.
  virtual void prepare(const TestCase& test) = 0;
  // One full prompt and one generated token of the test; leaves no result behind.
  virtual void warm_up(const TestCase& test) = 0;
  // The timed work; prepare(test) came before.
  virtual void run(const TestCase& test) = 0;
  // Bytes that run(test) asks of the memory system, counted from shapes.
  virtual std::int64_t bytes_moved(const TestCase& test) const = 0;
  // Multiplications and additions of its linear layers and head.
  virtual engine::Operations operations(const TestCase& test) const = 0;
};

// Pseudo-random tokens fill every prompt and every step: the same ones in each run, whatever the
// model says. Sequences beyond the first draw from stretches of their own; the depth fill is one
// for all.
inline constexpr std::uint64_t kTokenSeed = 20241031;
int seeded_token(std::uint64_t seed, std::int64_t index, std::int64_t vocab) noexcept;

// Positions the verification pass needs.
inline constexpr int kVerifyPrompt = 32;
inline constexpr int kVerifySteps = 8;

struct EngineSubjectOptions {
  engine::SessionOptions session;
  std::int64_t batch = 2048;                // tokens handed to one prefill call
  const std::atomic<bool>* stop = nullptr;  // when it turns true, the work stops with an Error
};

class EngineSubject final : public Subject {
 public:
  EngineSubject(std::string name, std::shared_ptr<const engine::Model> model,
                engine::ThreadPool& pool, const EngineSubjectOptions& options);

  const std::string& name() const noexcept override { return name_; }
  std::string verify() override;
  void prepare(const TestCase& test) override;
  void warm_up(const TestCase& test) override;
  void run(const TestCase& test) override;
  std::int64_t bytes_moved(const TestCase& test) const override;
  engine::Operations operations(const TestCase& test) const override;

  // What decoding has read where zeros are skipped; empty where nothing is.
  std::optional<engine::SkipCounts> skip_counts() const;

  // As run(), and says where the time went.
  engine::PhaseTimes run_phases(const TestCase& test);

 private:
  void evaluate_prompt(std::int64_t first, std::int64_t count, int sequence);
  void step(std::int64_t index, int sequences);
  void check_together(int token);
  void check_search(int token, int best);
  void check_skipping(std::span<const int> tokens);
  engine::Answer decoding() const noexcept;
  void check_stop() const;

  std::string name_;
  EngineSubjectOptions options_;
  engine::Session session_;
  std::int64_t filled_ = 0;            // leading positions of sequence 0 that hold the depth fill
  std::vector<engine::StepRow> rows_;  // (sequences): of a step
};

}  // namespace tern::harness
