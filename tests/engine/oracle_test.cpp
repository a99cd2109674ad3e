// Logits and greedy continuations of the reference models, where they are at hand. The comparison
// policy is the reference's own: exact on short prompts, statistical behind the first flipped int8
// rounding.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/formats/safetensors.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

fs::path oracle() { return fs::path(TERN_SOURCE_DIR) / "../shared/oracle/models"; }

struct Case {
  std::string model;  // folder and stem of the expectations
  std::string file;   // inside it
  std::string variant;
  bool twin = false;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"tiny-a", "tiny-a.i2_s.gguf", "w158a8"},
      {"tiny-a", "tiny-a.tq2_0.gguf", "w158a8"},
      {"tiny-a", "tiny-a.tq1_0.gguf", "w158a8"},
      {"tiny-a", "hf-packed", "w158a8"},
      {"tiny-a", "hf-bf16", "w158a8"},
      {"tiny-a", "tiny-a.ternary-f16.gguf", "ternary_dense"},
      {"tiny-a", "tiny-a.ternary-f32.gguf", "ternary_dense"},
      {"tiny-a", "tiny-a.i2_s.gguf", "ternary_dense", true},
      {"tiny-a", "hf-packed", "ternary_dense", true},
      {"tiny-c", "tiny-c.i2_s.gguf", "w158a8"},
      {"tiny-c", "hf-packed", "w158a8_bf16scale"},
      {"tiny-c", "tiny-c.i2_s.gguf", "ternary_dense", true},
      {"tiny-llama158", "tiny-llama158.i2_s.gguf", "w158a8"},
      {"tiny-llama158", "hf-packed", "w158a8_hf_invscale_bf16"},
      {"tiny-llama3", "tiny-llama3.f16.gguf", "logits"},
      {"tiny-llama3", "hf", "logits"},
      {"tiny-qwen2", "tiny-qwen2.f16.gguf", "logits"},
      {"tiny-qwen2", "hf", "logits"},
      {"tiny-gemma3", "tiny-gemma3.f16.gguf", "logits"},
      {"tiny-gemma3", "hf", "logits"},
  };
  return all;
}

json expectations(const Case& c) {
  std::ifstream file(oracle() / c.model / (c.model + ".expected.json"));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // Python writes infinities, which JSON does not have.
  for (std::size_t at; (at = text.find("Infinity")) != std::string::npos;)
    text.replace(at, 8, "null");
  return json::parse(text);
}

struct Comparison {
  double worst = 0, rms = 0;
  std::int64_t positions = 0, argmax_equal = 0;
};

Comparison compare(engine::Session& session, const std::vector<int>& ids,
                   const engine::TensorView& expected) {
  Comparison result;
  const auto* want = reinterpret_cast<const float*>(expected.bytes.data());
  double squares = 0;
  session.truncate(0);
  session.prefill_all(ids, [&](std::int64_t t, std::span<const float> logits) {
    const std::span row(want + t * std::ssize(logits), logits.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double d = static_cast<double>(logits[i]) - static_cast<double>(row[i]);
      result.worst = std::max(result.worst, std::fabs(d));
      squares += d * d;
    }
    ++result.positions;
    result.argmax_equal += engine::argmax(logits) == engine::argmax(row);
  });
  result.rms = std::sqrt(squares / static_cast<double>(expected.elements()));
  return result;
}

std::vector<int> greedy(engine::Session& session, const std::vector<int>& ids, std::size_t count) {
  session.truncate(0);
  std::vector<int> out = {engine::argmax(session.prefill(ids))};
  while (out.size() < count) out.push_back(engine::argmax(session.decode(out.back())));
  return out;
}

// Whether nothing is rounded to 8 bits on the way, which a last bit can tip over.
bool dense(const Case& c) { return c.variant == "ternary_dense" || c.variant == "logits"; }

// Prompts on which two summation orders, torch and bitnet.cpp all stay below 5e-5.
bool exact(const Case& c, std::size_t prompt) {
  if (dense(c)) return true;
  if (c.model == "tiny-llama158") return prompt <= 2;
  return prompt == 0 || prompt == 2 || prompt == 6 || prompt == 7;
}

// Whether every order of summation chooses the same tokens: as the reference says, or because its
// two orders do and no choice was close.
bool greedy_robust(const Case& c, const json& variant) {
  return variant.value("greedy_robust", false) ||
         (dense(c) && variant.value("greedy_agree_f32", false) &&
          variant["greedy32_min_margin"] > 1e-3);
}

void check_prompt(const Case& c, std::size_t index, const json& prompt, engine::Session& session,
                  const engine::SafetensorsFile& logits) {
  const json& variant = prompt["variants"][c.variant];
  const auto ids = prompt["ids"].get<std::vector<int>>();
  const engine::TensorView* expected =
      logits.find("p" + std::to_string(index) + "." + c.variant + ".logits");
  REQUIRE(expected != nullptr);
  const Comparison got = compare(session, ids, *expected);
  CAPTURE(index, got.worst, got.rms, got.argmax_equal, got.positions);
  if (exact(c, index)) {
    CHECK(got.worst < 1e-3);
    CHECK(got.argmax_equal == got.positions);
  } else {
    CHECK(got.rms < 0.35);
    CHECK(static_cast<double>(got.argmax_equal) >= 0.93 * static_cast<double>(got.positions));
  }
  if (greedy_robust(c, variant)) {
    const auto want = variant["greedy32"].get<std::vector<int>>();
    CHECK(greedy(session, ids, want.size()) == want);
  }
}

TEST_CASE("logits and greedy tokens agree with the reference models", "[oracle]") {
  if (!fs::exists(oracle())) {
    WARN("the reference models are not beside this checkout: nothing compared");
    return;
  }
  const kernels::KernelTable* table = GENERATE(from_range(kernels::runnable_tables()));
  const Case c = GENERATE(from_range(cases()));
  CAPTURE(table->name, c.file, c.variant, c.twin);
  // All rows give the same bits (conformance_test.cpp), so the long prompts need only one of them.
  const bool best = table == &kernels::select_table(kernels::detect_cpu());
  const bool brief = std::getenv("TERN_SHORT_TESTS") != nullptr;
  if (brief && !best) return;
  const std::size_t longest = best ? (brief ? 40 : 1000) : 40;
  engine::ThreadPool pool({.threads = 2, .spin_us = 20});
  auto model = engine::Model::load((oracle() / c.model / c.file).string(), *table, pool);
  if (c.twin) model = engine::Model::half_twin(*model, pool);
  engine::Session session(
      model, pool,
      {.context = 256, .cache_k = kernels::CacheType::kF32, .cache_v = kernels::CacheType::kF32});
  const engine::SafetensorsFile logits(oracle() / c.model / (c.model + ".expected.safetensors"));
  const json expected = expectations(c);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < expected["prompts"].size(); ++i) {
    const json& prompt = expected["prompts"][i];
    if (!prompt["variants"].contains(c.variant) || prompt["ids"].size() > longest) continue;
    check_prompt(c, i, prompt, session, logits);
    ++compared;
  }
  CHECK(compared >= 3);
}

}  // namespace
}  // namespace tern::tests
