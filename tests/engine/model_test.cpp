#include "engine/model.h"

#include <cmath>

#include "engine/error.h"
#include "engine/model_weights.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/catch.h"
#include "tests/support/tables.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;

struct Loader {
  TemporaryFolder folder;
  engine::ThreadPool pool{{.threads = 2, .spin_us = 20}};
  std::shared_ptr<const engine::Model> load(const std::string& spec) {
    return engine::Model::load(spec, kernels::select_table(kernels::detect_cpu()), pool);
  }
  // What was loaded last, with another head.
  std::shared_ptr<const engine::Model> load_with(engine::HeadType head) {
    return engine::Model::load((folder / "m.gguf").string(),
                               kernels::select_table(kernels::detect_cpu()), pool, {.head = head});
  }
  std::shared_ptr<const engine::Model> load(const TinyModel& model, TinyHooks hooks = {}) {
    write_tiny(folder / "m.gguf", model, std::move(hooks));
    return load((folder / "m.gguf").string());
  }
};

TEST_CASE("facts of a model and of its FP16 twin", "[model]") {
  Loader loader;
  const auto model = loader.load(TinyModel{});
  CHECK(model->facts().container == "gguf v3");
  CHECK(model->facts().weight_types == "i2_s");
  CHECK(model->facts().ternary);
  const auto twin = engine::Model::half_twin(*model, loader.pool);
  CHECK_FALSE(twin->facts().ternary);
  CHECK(twin->facts().weight_types == "f16");
  CHECK(twin->facts().parameters == model->facts().parameters);
  // 16 bits for 2 in the linear layers; embedding and norms are shared.
  CHECK(twin->facts().bytes - model->facts().bytes == model->half_twin_bytes() * 7 / 8);
  CHECK(&twin->table() == &model->table());
  CHECK_THROWS_WITH(engine::Model::half_twin(*twin, loader.pool),
                    Contains("expected a ternary model"));
}

TEST_CASE("ternary weights of 1.6 bits are a fifth smaller and the same model", "[model]") {
  Loader loader;
  write_tiny(loader.folder / "m.gguf", TinyModel{});
  const auto path = (loader.folder / "m.gguf").string();
  const auto& table = kernels::select_table(kernels::detect_cpu());
  const auto two = loader.load(path);
  const auto dense =
      engine::Model::load(path, table, loader.pool, {.ternary_bits = engine::TernaryBits::k1_6});
  REQUIRE(two->facts().ternary_layout.has_value());
  CHECK(two->facts().ternary_layout->bits == engine::TernaryBits::k2);
  REQUIRE(dense->facts().ternary_layout.has_value());
  CHECK(dense->facts().ternary_layout->bits == engine::TernaryBits::k1_6);
  CHECK(dense->facts().description == two->facts().description);
  // (256, 256) and (128, 256) twice each, (384, 256) twice, (256, 384): 16 lines of 16 columns are
  // 3 groups of 5 stored as 4 and a line left over, 24 are 4 groups and 4 lines.
  const std::int64_t saved = 2 * (2 * 16 + 2 * 8 + 2 * 24) * 64 * 3 + 2 * 16 * 64 * 4;
  CHECK(two->facts().bytes - dense->facts().bytes == saved);
  CHECK(dense->half_twin_bytes() == two->half_twin_bytes());
  const auto twin = engine::Model::half_twin(*dense, loader.pool);
  CHECK_FALSE(twin->facts().ternary_layout.has_value());
  const engine::Session session(dense, loader.pool, {.context = 8});
  const engine::Session wider(two, loader.pool, {.context = 8});
  CHECK(wider.bytes_per_token(0) - session.bytes_per_token(0) == saved);
}

TEST_CASE("a model without ternary layers has no layout of them", "[model]") {
  Loader loader;
  TinyModel model;
  model.linear_type = engine::DType::kF16;
  CHECK_FALSE(loader.load(model)->facts().ternary_layout.has_value());
}

TEST_CASE("what cannot be loaded says why in one sentence", "[model]") {
  Loader loader;
  const auto path = (loader.folder / "m.gguf").string();
  SECTION("nothing there") {
    CHECK_THROWS_WITH(loader.load("/nowhere/m.gguf"), Contains("'/nowhere/m.gguf'"));
  }
  SECTION("an empty file") {
    loader.folder.write("m.gguf", "");
    CHECK_THROWS_WITH(loader.load(path), Contains("m.gguf"));
  }
  SECTION("random bytes") {
    loader.folder.write("m.gguf", std::string(5000, 'x'));
    CHECK_THROWS_WITH(loader.load(path), Contains("m.gguf"));
  }
  SECTION("a folder without a model") {
    CHECK_THROWS_WITH(loader.load(loader.folder.path().string()), Contains("config.json"));
  }
  SECTION("an unknown synthetic name") {
    CHECK_THROWS_WITH(loader.load("synth:nope"), Contains("'nope'"));
  }
  SECTION("a missing tensor") {
    TinyHooks hooks;
    hooks.skip_tensor = [](const std::string& name) { return name == "blk.1.ffn_up.weight"; };
    CHECK_THROWS_WITH(loader.load({}, hooks),
                      Contains("expected 'blk.1.ffn_up.weight' (384, 256), got none"));
  }
  SECTION("a tensor nobody uses would change the answers") {
    TinyHooks hooks;
    hooks.extra_tensor = "blk.0.attn_q.bias";
    CHECK_THROWS_WITH(loader.load({}, hooks),
                      Contains("'blk.0.attn_q.bias'") && Contains("would ignore"));
  }
}

// Logits after each token of a prompt evaluated in micro-batches of `ubatch`.
std::vector<float> all_logits(const std::shared_ptr<const engine::Model>& model,
                              engine::ThreadPool& pool, std::int64_t ubatch) {
  engine::Session session(model, pool,
                          {.context = 16,
                           .cache_k = kernels::CacheType::kF32,
                           .cache_v = kernels::CacheType::kF32,
                           .ubatch = ubatch});
  std::vector<float> all;
  const std::vector<int> tokens = {5, 300, 17, 17, 250, 99, 1, 42};
  session.prefill_all(tokens, [&](std::int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  return all;
}

double rms(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i] - b[i]} * double{a[i] - b[i]};
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// The same values as F16 are the same network but for the rounding of activations, and no layer may
// see what an earlier one left in the workspace.
TEST_CASE("ternary and float linear layers may stand side by side", "[model]") {
  Loader loader;
  const auto pure = loader.load(TinyModel{});
  const std::vector<float> expected = all_logits(pure, loader.pool, 8);
  const double size = rms(expected, std::vector<float>(expected.size(), 0.0f));
  for (const char* role : {"attn_q.", "attn_k.", "attn_v.", "attn_output.", "ffn_gate.", "ffn_up.",
                           "ffn_down.", "blk.1.attn_q."}) {
    INFO(role);
    TinyHooks hooks;
    hooks.half_tensor = role;
    const auto mixed = loader.load(TinyModel{}, hooks);
    const std::vector<float> logits = all_logits(mixed, loader.pool, 8);
    CHECK(rms(logits, expected) < 0.15 * size);
    CHECK(rms(logits, expected) > 0);
    CHECK(all_logits(mixed, loader.pool, 1) == logits);
    CHECK_FALSE(mixed->facts().ternary);
    CHECK_THROWS_WITH(engine::Model::half_twin(*mixed, loader.pool),
                      Contains("linear layers of another type"));
  }
}

// Activations quantised in blocks of 32 are off by about 0.4 % of a block's largest value.
TEST_CASE("block-quantised models are the network their blocks stand for", "[model]") {
  Loader loader;
  struct Types {
    engine::DType linear, table;
  };
  using engine::DType;
  for (const Types types : {Types{DType::kQ8_0, DType::kF16}, Types{DType::kQ4_0, DType::kQ6_K},
                            Types{DType::kQ6_K, DType::kQ8_0}, Types{DType::kF16, DType::kQ6_K},
                            Types{DType::kI2S, DType::kQ4_0}, Types{DType::kQ5_0, DType::kQ5_0}}) {
    for (const char* architecture : {"llama", "bitnet-b1.58"}) {
      INFO(name(types.linear) << " " << name(types.table) << " " << architecture);
      TinyModel tiny;
      tiny.architecture = architecture;
      tiny.ffn = 512;
      tiny.linear_type = types.linear;
      tiny.table_type = types.table;
      const auto blocks = loader.load(tiny);
      tiny.decoded = true;
      const auto decoded = loader.load(tiny);
      const std::vector<float> expected = all_logits(decoded, loader.pool, 8);
      const std::vector<float> logits = all_logits(blocks, loader.pool, 8);
      const double size = rms(expected, std::vector<float>(expected.size(), 0.0f));
      CHECK(rms(logits, expected) < 0.05 * size);
      CHECK(rms(logits, expected) > 0);
      CHECK(all_logits(blocks, loader.pool, 1) == logits);
      CHECK(blocks->facts().bytes < decoded->facts().bytes);
      CHECK(blocks->facts().ternary == (types.linear == DType::kI2S));
    }
  }
}

TEST_CASE("Q4_K runs as the binary32 it stands for, and says so", "[model]") {
  Loader loader;
  TinyModel tiny;
  tiny.architecture = "qwen2";
  tiny.ffn = 512;
  tiny.linear_type = tiny.table_type = engine::DType::kQ4_K;
  const auto stored = loader.load(tiny);
  CHECK(stored->facts().weight_types == "q4_k");
  CHECK_THAT(stored->facts().description, Contains("q4_k as f32"));
  tiny.decoded = true;
  const auto decoded = loader.load(tiny);
  CHECK(all_logits(stored, loader.pool, 8) == all_logits(decoded, loader.pool, 8));
  CHECK(stored->facts().bytes == decoded->facts().bytes);
}

TEST_CASE("a requantised head serves the embedding too where both are one matrix", "[model]") {
  Loader loader;
  for (const char* architecture : {"bitnet-b1.58", "llama"}) {
    TinyModel tiny;
    tiny.architecture = architecture;
    const auto stored = loader.load(tiny);
    const std::vector<float> expected = all_logits(stored, loader.pool, 8);
    const double size = rms(expected, std::vector<float>(expected.size(), 0.0f));
    CHECK(stored->facts().head == engine::HeadType::kStored);
    struct Bound {
      engine::HeadType head;
      double share;
      kernels::BlockType type;
    };
    for (const Bound b : {Bound{engine::HeadType::kQ8_0, 0.05, kernels::BlockType::kQ8_0},
                          Bound{engine::HeadType::kQ6_K, 0.15, kernels::BlockType::kQ6_K}}) {
      const auto model = loader.load_with(b.head);
      INFO(architecture << " " << name(b.head));
      CHECK(model->facts().head == b.head);
      CHECK_THAT(model->facts().description, Contains(std::string(", ") + name(b.head) + " head"));
      const std::vector<float> logits = all_logits(model, loader.pool, 8);
      CHECK(rms(logits, expected) < b.share * size);
      CHECK(rms(logits, expected) > 0);
      const kernels::KernelTable& table = model->table();
      const std::size_t saved = table.half.packed_bytes(kernels::HalfType::kF16, 331, 256) -
                                table.block.packed_bytes(b.type, 331, 256);
      CHECK(stored->facts().bytes - model->facts().bytes == static_cast<std::int64_t>(saved));
      const auto twin = engine::Model::twin(*model, engine::TwinType::kF16, loader.pool);
      CHECK(twin->facts().head == b.head);
      CHECK(twin->weights().shared == model->weights().shared);
    }
  }
}

TEST_CASE("a head that cannot be requantised says why", "[model]") {
  Loader loader;
  TinyModel tiny;
  tiny.hidden = 288;
  loader.load(tiny);
  CHECK_THROWS_WITH(loader.load_with(engine::HeadType::kQ6_K),
                    Contains("--head q6_k") && Contains("multiples of 256 columns, got 288"));
  CHECK(loader.load_with(engine::HeadType::kQ8_0)->facts().head == engine::HeadType::kQ8_0);
  tiny.hidden = 256;
  tiny.table_type = engine::DType::kQ6_K;
  loader.load(tiny);
  CHECK_THROWS_WITH(loader.load_with(engine::HeadType::kQ8_0),
                    Contains("'token_embd.weight'") && Contains("got q6_k (331, 256)"));
}

TEST_CASE("block twins of a ternary model have its trits in other clothes", "[model]") {
  Loader loader;
  const auto model = loader.load(TinyModel{});
  const std::vector<float> half =
      all_logits(engine::Model::half_twin(*model, loader.pool), loader.pool, 8);
  const double size = rms(half, std::vector<float>(half.size(), 0.0f));
  std::vector<std::vector<float>> answers;
  for (const engine::TwinType type : {engine::TwinType::kQ8_0, engine::TwinType::kQ4_0}) {
    const auto twin = engine::Model::twin(*model, type, loader.pool);
    CHECK_FALSE(twin->facts().ternary);
    CHECK(twin->facts().weight_types == name(type));
    CHECK_THAT(twin->facts().description, Contains(std::string(name(type)) + " twin"));
    const double bits = type == engine::TwinType::kQ8_0 ? 8.5 : 4.5;
    CHECK(static_cast<double>(model->twin_bytes(type)) ==
          static_cast<double>(model->half_twin_bytes()) * bits / 16);
    answers.push_back(all_logits(twin, loader.pool, 8));
    CHECK(rms(answers.back(), half) < 0.05 * size);
  }
  // Both hold the same integers under the same scales.
  CHECK(answers[0] == answers[1]);
  TinyModel narrow;
  narrow.ffn = 400;
  CHECK_THROWS_WITH(engine::Model::twin(*loader.load(narrow), engine::TwinType::kQ8_0, loader.pool),
                    Contains("columns in multiples of 32, got 400"));
}

TEST_CASE("a model too large for the memory is refused before anything is allocated", "[model]") {
  Loader loader;
  if (engine::available_memory_bytes() > (std::int64_t{26} << 30)) return;
  CHECK_THROWS_WITH(loader.load("synth:100b"), Contains("synth:100b") && Contains("GiB"));
}

TEST_CASE("a truncated file is refused wherever it was cut", "[model]") {
  Loader loader;
  write_tiny(loader.folder / "m.gguf", TinyModel{});
  const auto size = std::filesystem::file_size(loader.folder / "m.gguf");
  for (const double share : {0.0001, 0.001, 0.01, 0.5, 0.999}) {
    CAPTURE(share);
    std::filesystem::copy_file(loader.folder / "m.gguf", loader.folder / "cut.gguf",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(
        loader.folder / "cut.gguf",
        static_cast<std::uintmax_t>(static_cast<double>(size) * share) + 1);
    CHECK_THROWS_AS(loader.load((loader.folder / "cut.gguf").string()), engine::Error);
  }
}

}  // namespace
}  // namespace tern::tests
