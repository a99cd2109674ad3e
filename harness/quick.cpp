#include "harness/quick.h"

#include "engine/synthetic.h"
#include "harness/bench_options.h"

namespace tern::harness {

namespace {

struct Level {
  int prompt, gen;
};
constexpr Level kLevels[kQuickLevels] = {{128, 32}, {64, 16}, {32, 8}, {16, 4}, {8, 2}};

}  // namespace

std::vector<TestCase> quick_tests(int level) {
  return {{.prompt = kLevels[level].prompt}, {.gen = kLevels[level].gen}};
}

int quick_level(const QuickRates& rates, int pairs, double budget_s) {
  for (int level = 0; level < kQuickLevels; ++level) {
    const double prompts =
        static_cast<double>(pairs + 1) * kLevels[level].prompt;  // a warm-up is one more
    const double gens = static_cast<double>(pairs) * kLevels[level].gen + 1;
    if (prompts * rates.prompt_s + gens * rates.gen_s <= budget_s) return level;
  }
  return kQuickLevels - 1;
}

std::string quick_model(std::int64_t available_bytes) {
  const auto bytes = [](const engine::SyntheticShape& shape) {
    return engine::synthetic_bytes(shape, false) + engine::synthetic_bytes(shape, true);
  };
  const std::string wanted = std::string(kQuickModel).substr(std::string("synth:").size());
  const std::int64_t most = bytes(engine::synthetic_shape(wanted));
  if (most <= available_bytes) return kQuickModel;
  const engine::SyntheticShape* best = nullptr;
  const engine::SyntheticShape* smallest = nullptr;
  for (const engine::SyntheticShape& shape : engine::synthetic_shapes()) {
    const std::int64_t size = bytes(shape);
    if (smallest == nullptr || size < bytes(*smallest)) smallest = &shape;
    if (size <= available_bytes && size < most && (best == nullptr || size > bytes(*best)))
      best = &shape;
  }
  return "synth:" + std::string((best != nullptr ? best : smallest)->name);
}

}  // namespace tern::harness
