#include "engine/rope.h"

#include <cmath>

#include "engine/error.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using Catch::Matchers::Contains;
using engine::Llama3Rope;

constexpr Llama3Rope kLlama32{
    .factor = 32, .low_freq_factor = 1, .high_freq_factor = 4, .original_context = 8192};

TEST_CASE("Llama 3.2's rotations are kept, slowed down, and blended between", "[rope]") {
  const std::vector<float> divisors = engine::llama3_divisors(kLlama32, 500000, 64, "here");
  REQUIRE(divisors.size() == 32);
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    const double frequency = std::pow(500000.0, -2.0 * static_cast<double>(i) / 64);
    const double turns = 8192 * frequency / (2 * 3.141592653589793);  // in the original context
    CAPTURE(i, turns);
    // The published form: a mean of both frequencies, weighted by where the turns lie in [1, 4].
    const double smooth = std::fmin(std::fmax((turns - 1) / 3, 0), 1);
    const double scaled = (1 - smooth) * frequency / 32 + smooth * frequency;
    CHECK(std::fabs(static_cast<double>(divisors[i]) * scaled / frequency - 1) < 1e-6);
  }
  CHECK(divisors.front() == 1.0f);
  CHECK(divisors.back() == 32.0f);
}

TEST_CASE("parameters of RoPE scaling that make no sense are refused", "[rope]") {
  const auto refused = [](Llama3Rope rope, const char* why) {
    CHECK_THROWS_WITH(engine::llama3_divisors(rope, 500000, 64, "here"),
                      Contains("in here: expected") && Contains(why));
  };
  refused({0, 1, 4, 8192}, "a factor of at least 1, got 0");
  refused({NAN, 1, 4, 8192}, "got nan");
  refused({32, 0, 4, 8192}, "low_freq_factor");
  refused({32, 4, 4, 8192}, "high_freq_factor");
  refused({32, 1, 4, 0}, "original_max_position_embeddings");
}

TEST_CASE("angles are positions times frequencies over divisors", "[rope]") {
  const std::vector<float> divisors = {1, 2, 4, 8};
  for (const std::int64_t position : {0, 1, 77, 4000}) {
    float got[8];
    engine::fill_rope_row(10000, divisors, 8, position, got);
    for (std::size_t i = 0; i < 4; ++i) {
      const double angle = static_cast<double>(position) *
                           std::pow(10000.0, -2.0 * static_cast<double>(i) / 8) /
                           static_cast<double>(divisors[i]);
      // The angle is rounded to binary32, thrice.
      const double tolerance = 1e-7 + 2e-7 * angle;
      CHECK(std::fabs(static_cast<double>(got[i]) - std::cos(angle)) < tolerance);
      CHECK(std::fabs(static_cast<double>(got[i + 4]) - std::sin(angle)) < tolerance);
    }
  }
}

}  // namespace
}  // namespace tern::tests
