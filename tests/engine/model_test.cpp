#include "engine/model.h"

#include "engine/error.h"
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
