#include "engine/synthetic.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("the published shapes have the published sizes", "[synthetic]") {
  // Parameters of linear layers and embedding, in billions: arXiv:2410.16144's shapes, counted by
  // hand.
  const std::pair<const char*, double> published[] = {
      {"125m", 0.128}, {"350m", 0.360}, {"700m", 0.729}, {"1b", 0.997},
      {"1.5b", 1.502}, {"2.5b", 2.461}, {"3.8b", 3.803}, {"7b", 7.010},
      {"13b", 12.852}, {"30b", 30.475}, {"70b", 70.055}, {"100b", 100.221}};
  for (const auto& [name, billions] : published) {
    CAPTURE(name);
    const engine::SyntheticShape s = engine::synthetic_shape(name);
    const auto parameters =
        static_cast<double>(engine::synthetic_parameters(s) + s.vocab * s.hidden);
    CHECK(parameters / 1e9 == Approx(billions).margin(0.0006));
    CHECK(s.heads * s.head_dim == s.hidden);
  }
  // 2B4T's checkpoint has 2,412,820,480 parameters, norms included.
  const engine::SyntheticShape s = engine::synthetic_shape("bitnet-b1.58-2b4t");
  const std::int64_t norms = s.layers * (2 * s.hidden + s.heads * s.head_dim + s.ffn) + s.hidden;
  CHECK(engine::synthetic_parameters(s) + s.vocab * s.hidden + norms == 2412820480);
}

TEST_CASE("an unknown shape names the known ones", "[synthetic]") {
  CHECK_THROWS_WITH(engine::synthetic_shape("2b"),
                    Contains("'2b'") && Contains("bitnet-b1.58-2b4t") && Contains("100b"));
}

TEST_CASE("a share of zeros is part of the name", "[synthetic]") {
  const engine::SyntheticShape some = engine::synthetic_shape("tiny:zeros=0.80");
  CHECK(some.zeros == 0.8);
  CHECK(engine::full_name(some) == "tiny:zeros=0.8");
  CHECK(engine::config_of(some).name == "tiny:zeros=0.8");
  CHECK(engine::full_name(engine::synthetic_shape("tiny:zeros=0.5")) == "tiny");
  for (const std::string wrong : {"0.49", "1", "-1", "", "0.8x", "nan", "0.8:zeros=0.8"}) {
    CHECK_THROWS_WITH(engine::synthetic_shape("tiny:zeros=" + wrong),
                      Contains("expected zeros from 0.5 to less than 1"));
  }
  CHECK_THROWS_WITH(engine::synthetic_shape("tiny:ones=0.8"), Contains("expected one of"));

  // Gate rows are empty or as without the option; no other matrix changes.
  std::vector<std::int8_t> with(256), without(256);
  int empty = 0;
  for (std::int64_t row = 0; row < 512; ++row) {
    using engine::LayerRole;
    const auto seed = engine::kSyntheticSeed;
    engine::synthetic_trits(some, seed, 1, LayerRole::kGate, row, 256, with.data());
    engine::synthetic_trits(seed, engine::synthetic_tensor(1, LayerRole::kGate), row, 256,
                            without.data());
    if (with != without) {
      ++empty;
      CHECK(std::count(with.begin(), with.end(), 0) == 256);
    }
    engine::synthetic_trits(some, seed, 1, LayerRole::kUp, row, 256, with.data());
    engine::synthetic_trits(seed, engine::synthetic_tensor(1, LayerRole::kUp), row, 256,
                            without.data());
    CHECK(with == without);
  }
  CHECK(empty / 512.0 == Approx(0.6).margin(0.07));
}

TEST_CASE("trits are uniform, independent of everything but name and seed", "[synthetic]") {
  constexpr std::int64_t kCols = 100000;
  std::vector<std::int8_t> a(kCols), b(kCols), c(kCols), prefix(17);
  engine::synthetic_trits(1, 3, 5, kCols, a.data());
  engine::synthetic_trits(1, 3, 5, 17, prefix.data());
  engine::synthetic_trits(1, 3, 6, kCols, b.data());
  engine::synthetic_trits(2, 3, 5, kCols, c.data());
  CHECK(std::equal(prefix.begin(), prefix.end(), a.begin()));
  double product_ab = 0;
  double product_ac = 0;
  std::int64_t counts[3] = {};
  for (std::size_t i = 0; i < a.size(); ++i) {
    ++counts[a[i] + 1];
    product_ab += a[i] * b[i];
    product_ac += a[i] * c[i];
  }
  for (const std::int64_t n : counts)
    CHECK(std::abs(static_cast<double>(n) / kCols - 1.0 / 3) < 0.01);
  // Standard deviation of the mean product is 2/3 / sqrt(n) = 0.002.
  CHECK(std::fabs(product_ab / kCols) < 0.01);
  CHECK(std::fabs(product_ac / kCols) < 0.01);
}

TEST_CASE("a written model is the network made in memory", "[synthetic]") {
  const TemporaryFolder folder;
  engine::ThreadPool pool({.threads = 2, .spin_us = 20});
  const kernels::KernelTable& table = kernels::select_table(kernels::detect_cpu());
  const std::vector<int> tokens = {1, 5, 500, 42};
  const auto logits = [&](std::shared_ptr<const engine::Model> model) {
    engine::Session session(std::move(model), pool, {.context = 8});
    const auto span = session.prefill(tokens);
    return std::vector<float>(span.begin(), span.end());
  };
  const auto path = folder / "tiny.gguf";
  const auto shape = engine::synthetic_shape("tiny");
  const auto made = engine::Model::load("synth:tiny", table, pool);

  engine::write_synthetic(shape, engine::kSyntheticSeed, engine::DType::kI2S, path, pool);
  const auto i2s = engine::Model::load(path.string(), table, pool);
  CHECK(i2s->facts().ternary);
  CHECK(i2s->facts().parameters == made->facts().parameters);
  CHECK(logits(i2s) == logits(made));

  // TQ2_0 and F16 hold the scale in binary16; the trits are the same.
  engine::write_synthetic(shape, engine::kSyntheticSeed, engine::DType::kTq2_0, path, pool);
  CHECK(engine::Model::load(path.string(), table, pool)->facts().weight_types == "tq2_0");
  // The block types hold it per block, so their files are their twins but for its rounding.
  for (const auto& [type, twin] : {std::pair(engine::DType::kQ8_0, engine::TwinType::kQ8_0),
                                   std::pair(engine::DType::kQ4_0, engine::TwinType::kQ4_0)}) {
    engine::write_synthetic(shape, engine::kSyntheticSeed, type, path, pool);
    const auto blocks = engine::Model::load(path.string(), table, pool);
    CHECK(blocks->facts().weight_types == name(type));
    const auto expected = logits(engine::Model::twin(*made, twin, pool));
    const auto got = logits(blocks);
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(std::fabs(double{got[i]} - double{expected[i]}) < 0.5);
    }
  }
  engine::write_synthetic(shape, engine::kSyntheticSeed, engine::DType::kF16, path, pool);
  const auto f16 = engine::Model::load(path.string(), table, pool);
  CHECK_FALSE(f16->facts().ternary);
  const auto twin = logits(engine::Model::half_twin(*made, pool));
  // Trits are exact in both, and the arithmetic is the same.
  CHECK(logits(engine::Model::twin(*made, engine::TwinType::kBf16, pool)) == twin);
  const auto dense = logits(f16);
  double worst = 0;
  for (std::size_t i = 0; i < twin.size(); ++i) {
    worst =
        std::max(worst, std::fabs(static_cast<double>(twin[i]) - static_cast<double>(dense[i])));
  }
  CHECK(worst > 0);     // the rounding of the scales shows …
  CHECK(worst < 0.25);  // … and nothing else: logits have a standard deviation of about 9
}

}  // namespace
}  // namespace tern::tests
