#include "harness/check_vocabulary.h"

#include <memory>

#include "engine/thread_pool.h"
#include "harness/error.h"
#include "harness/options.h"
#include "tests/harness/byte_tokenizer.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace harness;
using Catch::Matchers::Contains;

// As ByteTokenizer, but its last token is text like any other.
class TextTokenizer final : public engine::Tokenizer {
 public:
  explicit TextTokenizer(int vocab) : vocab_(vocab) {}
  std::vector<int> encode(std::string_view, bool) const override { return {}; }
  std::string decode(const std::vector<int>& ids, bool) const override {
    return std::string(ids.size(), 'x');
  }
  int vocab() const noexcept override { return vocab_; }
  int bos() const noexcept override { return -1; }
  int eos() const noexcept override { return -1; }
  bool add_bos() const noexcept override { return false; }
  const std::string& description() const noexcept override { return description_; }

 private:
  int vocab_;
  std::string description_ = "text only";
};

TEST_CASE("a tokenizer belongs to a model with as many rows, or nearly") {
  engine::ThreadPool pool({.threads = 1, .pin = false});
  const auto model = engine::Model::load("synth:tiny", kernels_row(""), pool);
  REQUIRE(model->config().vocab == 512);
  CHECK_NOTHROW(check_vocabulary(*model, TextTokenizer(512)));
  // Rows that pad the matrix.
  CHECK_NOTHROW(check_vocabulary(*model, TextTokenizer(508)));
  CHECK_THROWS_WITH(
      check_vocabulary(*model, TextTokenizer(507)),
      Contains("text only") && Contains("expected 512 tokens") && Contains("got 507"));
  // Special tokens, which ByteTokenizer's last ones are, for what the model cannot read.
  CHECK_NOTHROW(check_vocabulary(*model, ByteTokenizer(520)));
  CHECK_THROWS_WITH(check_vocabulary(*model, ByteTokenizer(521)), Contains("got 521"));
  CHECK_THROWS_WITH(check_vocabulary(*model, TextTokenizer(513)), Contains("got 513"));
}

}  // namespace
}  // namespace tern::tests
