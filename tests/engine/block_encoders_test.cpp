#include "engine/formats/block_encoders.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/formats/blocks.h"
#include "engine/formats/safetensors.h"
#include "tests/support/catch.h"

namespace tern::engine {
namespace {

std::vector<std::byte> encoded(DType type, const std::vector<float>& row) {
  const std::int64_t shape[] = {1, std::ssize(row)};
  std::vector<std::byte> out(static_cast<std::size_t>(tensor_bytes(type, shape)));
  encode_blocks(type, row, out.data());
  return out;
}

std::vector<float> decoded(DType type, const std::vector<std::byte>& bytes, std::int64_t cols) {
  std::vector<float> out(static_cast<std::size_t>(cols));
  decode_row({"w", type, {1, cols}, bytes}, 0, out.data());
  return out;
}

std::vector<float> round_trip(DType type, const std::vector<float>& row) {
  return decoded(type, encoded(type, row), std::ssize(row));
}

// Roughly normal, and different in size from block to block.
std::vector<float> weights(std::size_t n) {
  std::mt19937 random(5);
  std::vector<float> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    float sum = 0;
    for (int k = 0; k < 4; ++k) sum += static_cast<float>(random() >> 8) / 0x1p23f - 1.0f;
    out[i] = sum * static_cast<float>(1 + i / 32 % 5);
  }
  return out;
}

TEST_CASE("q8_0 equals the reference quantiser byte for byte", "[block_encoders]") {
  const char* oracle = std::getenv("TERN_ORACLE");
  const std::filesystem::path file =
      std::filesystem::path(oracle != nullptr ? oracle : TERN_SOURCE_DIR "/../shared/oracle") /
      "quants/quant_vectors.safetensors";
  if (!std::filesystem::exists(file)) {
    WARN("not tested: no " << file);
    return;
  }
  const SafetensorsFile vectors(file);
  const TensorView* source = vectors.find("source");
  REQUIRE(source != nullptr);
  std::vector<float> values(static_cast<std::size_t>(source->elements()));
  std::memcpy(values.data(), source->bytes.data(), source->bytes.size());
  const auto got = encoded(DType::kQ8_0, values);
  const auto expected = vectors.find("Q8_0.raw")->bytes;
  REQUIRE(got.size() == expected.size());
  CHECK(std::equal(got.begin(), got.end(), expected.begin()));
}

TEST_CASE("q8_0 rounds half away from zero", "[block_encoders]") {
  std::vector<float> row(32, 0.0f);
  row[0] = 127.0f;
  row[1] = 2.5f;
  row[2] = -2.5f;
  const auto got = round_trip(DType::kQ8_0, row);
  CHECK(got[0] == 127.0f);
  CHECK(got[1] == 3.0f);
  CHECK(got[2] == -3.0f);
}

TEST_CASE("requantised weights are off by about half a step at most", "[block_encoders]") {
  const std::vector<float> row = weights(1024);
  struct Bound {
    DType type;
    std::size_t block;
    float step;  // of the largest magnitude in the block
  };
  // Half a step, and: Q8_0's d is rounded to 11 bits behind the codes, 127 of which move by that
  // much; Q6_K's sub-scales are multiples of 1/127 of the largest of 16, and the codes of one sign
  // end at 31.
  for (const Bound b :
       {Bound{DType::kQ8_0, 32, 0.57f / 127}, Bound{DType::kQ6_K, 256, 1.1f / 32}}) {
    INFO(name(b.type));
    const auto got = round_trip(b.type, row);
    for (std::size_t i = 0; i < row.size(); ++i) {
      float largest = 0;
      for (std::size_t k = i / b.block * b.block; k < (i / b.block + 1) * b.block; ++k) {
        largest = std::fmax(largest, std::fabs(row[k]));
      }
      CHECK(std::fabs(got[i] - row[i]) <= b.step * largest);
    }
  }
  double error = 0;
  double size = 0;
  const auto q6 = round_trip(DType::kQ6_K, row);
  for (std::size_t i = 0; i < row.size(); ++i) {
    error += double{q6[i] - row[i]} * double{q6[i] - row[i]};
    size += double{row[i]} * double{row[i]};
  }
  CHECK(std::sqrt(error / size) < 0.02);
}

TEST_CASE("what blocks hold exactly, they keep", "[block_encoders]") {
  const std::vector<float> zeros(256, 0.0f);
  for (const DType type : {DType::kQ8_0, DType::kQ6_K}) {
    INFO(name(type));
    CHECK(round_trip(type, zeros) == zeros);
    // Far below binary16's smallest step.
    CHECK(round_trip(type, std::vector<float>(256, 1e-12f)) == zeros);
  }
  std::vector<float> codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i)
    codes[i] = 127.0f * (static_cast<float>(i % 16) - 8);
  codes[255] = 127.0f * 31;
  for (std::size_t s = 0; s < 16; ++s) codes[16 * s] = -127.0f * 32;
  CHECK(round_trip(DType::kQ6_K, codes) == codes);
}

TEST_CASE("trits survive every block type that takes them", "[block_encoders]") {
  std::vector<std::int8_t> trits(96);
  for (std::size_t i = 0; i < trits.size(); ++i) {
    trits[i] = static_cast<std::int8_t>(static_cast<int>(i * 7 % 3) - 1);
  }
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    INFO(name(type));
    std::vector<std::byte> bytes(type == DType::kQ8_0 ? 3 * 34 : 3 * 18);
    encode_block_trits(type, trits, 0.75f, bytes.data());
    const auto got = decoded(type, bytes, 96);
    for (std::size_t i = 0; i < trits.size(); ++i) CHECK(got[i] == 0.75f * trits[i]);
  }
}

TEST_CASE("block encoders refuse what they cannot store", "[block_encoders]") {
  std::vector<std::byte> out(1024);
  const std::vector<float> row(48, 1.0f);
  const std::vector<std::int8_t> trits(48);
  CHECK_THROWS_WITH(encode_blocks(DType::kQ8_0, row, out.data()),
                    Catch::Contains("multiple of 32 values, got 48"));
  CHECK_THROWS_WITH(encode_blocks(DType::kQ4_0, row, out.data()), Catch::Contains("got q4_0"));
  CHECK_THROWS_WITH(encode_block_trits(DType::kQ4_0, trits, 1, out.data()),
                    Catch::Contains("multiple of 32 values, got 48"));
  CHECK_THROWS_WITH(encode_block_trits(DType::kQ6_K, trits, 1, out.data()),
                    Catch::Contains("got q6_k"));
  const std::vector<float> huge(256, 1e9f);
  CHECK_THROWS_WITH(encode_blocks(DType::kQ8_0, huge, out.data()),
                    Catch::Contains("fits binary16"));
  CHECK_THROWS_WITH(encode_blocks(DType::kQ6_K, huge, out.data()),
                    Catch::Contains("fits binary16"));
}

}  // namespace
}  // namespace tern::engine
