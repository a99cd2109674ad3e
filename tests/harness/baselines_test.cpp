#include "harness/baselines.h"

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using enum engine::TwinType;
using Types = std::vector<engine::TwinType>;

std::string refusal(const std::string& text) {
  try {
    named_twins(text);
  } catch (const Error& error) {
    CHECK(error.code() == 2);
    return error.what();
  }
  return "(accepted)";
}

TEST_CASE("one twin, a list of twins in its order, or none") {
  CHECK(named_twins("auto") == Types{kF16});
  CHECK(named_twins("q4_0") == Types{kQ4_0});
  CHECK(named_twins("bf16,f16,q4_0,q8_0") == Types{kBf16, kF16, kQ4_0, kQ8_0});
  CHECK(named_twins("none").empty());
}

TEST_CASE("a model stands alone, whatever its path holds") {
  for (const char* model : {"synth:tiny", "model.gguf", "runs,2026/model.gguf", "a,b", "f16.gguf",
                            "./f16,new/m.gguf"}) {
    CHECK(named_twins(model).empty());
  }
}

TEST_CASE("a list that cannot be meant is refused with what is wrong in it") {
  CHECK_THAT(refusal("f16,f16"), Contains("\"f16,f16\"") && Contains("f16 is there twice"));
  CHECK_THAT(refusal("f16,bf16,f16"), Contains("f16 is there twice"));
  CHECK_THAT(refusal("none,f16"), Contains("none stands alone"));
  CHECK_THAT(refusal("f16,auto"), Contains("auto stands alone"));
  CHECK_THAT(refusal("f16,"), Contains("an entry is empty"));
  CHECK_THAT(refusal(",f16"), Contains("an entry is empty"));
  CHECK_THAT(refusal("f16,,bf16"), Contains("an entry is empty"));
  CHECK_THAT(refusal("f16,q5_0"), Contains("\"q5_0\" is none of them"));
  CHECK_THAT(refusal("f16,synth:tiny"), Contains("a model stands alone"));
}

TEST_CASE("the first of a list keeps the name that all others are looked up by") {
  CHECK(baseline_name(0, kBf16) == "baseline");
  CHECK(baseline_name(1, kF16) == "baseline:f16");
  CHECK(baseline_name(2, kQ4_0) == "baseline:q4_0");
  CHECK(titles({kF16}) == "FP16");
  CHECK(titles({kF16, kBf16}) == "FP16 and BF16");
  CHECK(titles({kF16, kBf16, kQ4_0}) == "FP16, BF16 and Q4_0");
}

}  // namespace
}  // namespace tern::harness
