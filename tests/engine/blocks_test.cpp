#include "engine/formats/blocks.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "engine/error.h"
#include "engine/formats/gguf.h"
#include "engine/formats/safetensors.h"
#include "tests/engine/container_bytes.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using tern::tests::as_bytes;
using tern::tests::le;

namespace {

using Trits = std::vector<std::int8_t>;

constexpr std::uint16_t kHalfOne = 0x3c00;   // binary16 1.0
constexpr std::uint16_t kHalfHalf = 0x3800;  // 0.5

TensorView view(DType type, std::vector<std::int64_t> shape, std::span<const std::byte> bytes) {
  return {"w", type, std::move(shape), bytes};
}

TensorView view(DType type, std::vector<std::int64_t> shape, const std::string& bytes) {
  return view(type, std::move(shape), as_bytes(bytes));
}

std::int64_t rows_of(const TensorView& t) { return t.elements() / t.shape.back(); }

std::vector<float> values(const TensorView& t) {
  std::vector<float> out(static_cast<std::size_t>(t.elements()));
  for (std::int64_t r = 0; r < rows_of(t); ++r) decode_row(t, r, out.data() + r * t.shape.back());
  return out;
}

Trits trits(const TensorView& t) {
  Trits out(static_cast<std::size_t>(t.elements()));
  for (std::int64_t r = 0; r < rows_of(t); ++r) decode_trits(t, r, out.data() + r * t.shape.back());
  return out;
}

Trits hf_trits(const TensorView& t) {
  Trits out(static_cast<std::size_t>(t.elements() * 4));
  for (std::int64_t r = 0; r < rows_of(t) * 4; ++r) {
    decode_hf_packed_trits(t, r, out.data() + r * t.shape.back());
  }
  return out;
}

Trits random_trits(std::size_t n) {
  std::mt19937 random(7);
  Trits out(n);
  for (auto& t : out) t = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  return out;
}

std::string i2s(const Trits& t, float scale) {
  std::string out(t.size() / 4 + 32, '?');
  auto* bytes = reinterpret_cast<std::byte*>(out.data());
  encode_i2s_codes(t, bytes);
  i2s_tail(scale, bytes + t.size() / 4);
  return out;
}

std::string tq2(const Trits& t, float scale) {
  std::string out(t.size() / 256 * 66, '?');
  encode_tq2_0(t, scale, reinterpret_cast<std::byte*>(out.data()));
  return out;
}

// The definition of TQ1_0, written from the number's side: five trits, first most significant, as
// ceil(q * 256 / 243).
std::string tq1(const Trits& t, std::uint16_t half) {
  std::string out;
  const auto digits = [&](const std::int8_t* first, int count, int stride) {
    int q = 0;
    for (int n = 0; n < count; ++n) q = q * 3 + first[n * stride] + 1;
    if (count == 4) q *= 3;
    out += static_cast<char>((q * 256 + 242) / 243);
  };
  for (const std::int8_t* block = t.data(); block != t.data() + t.size(); block += 256) {
    for (int m = 0; m < 32; ++m) digits(block + m, 5, 32);
    for (int m = 0; m < 16; ++m) digits(block + 160 + m, 5, 16);
    for (int m = 0; m < 4; ++m) digits(block + 240 + m, 4, 4);
    out += le(half);
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::filesystem::path oracle() { return TERN_SOURCE_DIR "/../shared/oracle"; }

}  // namespace

TEST_CASE("tensor sizes follow the block layouts") {
  const auto bytes = [](DType type, std::vector<std::int64_t> shape) {
    return tensor_bytes(type, shape);
  };
  CHECK(bytes(DType::kF32, {}) == 4);
  CHECK(bytes(DType::kF16, {3, 5}) == 30);
  CHECK(bytes(DType::kI64, {2}) == 16);
  CHECK(bytes(DType::kU8, {0, 7}) == 0);
  CHECK(bytes(DType::kI2S, {3200, 8640}) == 3200 * 8640 / 4 + 32);
  CHECK(bytes(DType::kI2S, {1, 64}) == -1);
  CHECK(bytes(DType::kI2S, {2, 64}) == 64);
  CHECK(bytes(DType::kTq1_0, {2, 512}) == 4 * 54);
  CHECK(bytes(DType::kTq2_0, {2, 512}) == 4 * 66);
  CHECK(bytes(DType::kTq2_0, {2, 128}) == -1);
  CHECK(bytes(DType::kQ8_0, {2, 64}) == 4 * 34);
  CHECK(bytes(DType::kQ4_0, {2, 64}) == 4 * 18);
  CHECK(bytes(DType::kQ4_0, {2, 48}) == -1);
  CHECK(bytes(DType::kQ6_K, {1, 256}) == 210);
  CHECK(bytes(DType::kQ5_0, {2, 64}) == 4 * 22);
  CHECK(bytes(DType::kQ4_K, {2, 512}) == 4 * 144);
  CHECK(bytes(DType::kQ4_K, {2, 128}) == -1);
  constexpr std::int64_t kBig = std::int64_t{1} << 62;
  CHECK(bytes(DType::kF32, {kBig}) == -1);
  CHECK(bytes(DType::kU8, {kBig, 4}) == -1);
  CHECK(bytes(DType::kU8, {-1}) == -1);
  CHECK(block_elements(DType::kBf16) == 1);
  CHECK(block_elements(DType::kQ8_0) == 32);
}

TEST_CASE("plain types decode to their values") {
  const std::string f32 = le(1.5f) + le(-0.0f) + le(3e38f) + le(1e-40f);
  CHECK(same_bits(values(view(DType::kF32, {2, 2}, f32)), {1.5f, -0.0f, 3e38f, 1e-40f}));
  const std::string f16 = le(kHalfOne) + le<std::uint16_t>(0x8001);
  CHECK(same_bits(values(view(DType::kF16, {2}, f16)), {1.0f, -0x1p-24f}));
  const std::string bf16 = le<std::uint16_t>(0x3fc0) + le<std::uint16_t>(0xc000);
  CHECK(same_bits(values(view(DType::kBf16, {1, 2}, bf16)), {1.5f, -2.0f}));
}

TEST_CASE("q4_0 decodes by its defining formula") {
  std::string bytes = le(kHalfHalf);
  for (int i = 0; i < 16; ++i) bytes += static_cast<char>(i | (15 - i) << 4);
  const auto got = values(view(DType::kQ4_0, {1, 32}, bytes));
  for (int i = 0; i < 16; ++i) {
    CHECK(got[i] == 0.5f * static_cast<float>(i - 8));
    CHECK(got[i + 16] == 0.5f * static_cast<float>(15 - i - 8));
  }
}

TEST_CASE("q8_0 and q6_k decode by their defining formulas") {
  std::string q8 = le(kHalfHalf);
  for (int i = 0; i < 32; ++i) q8 += static_cast<char>(i * 8 - 128);
  const auto q8_values = values(view(DType::kQ8_0, {1, 32}, q8));
  for (int i = 0; i < 32; ++i) CHECK(q8_values[i] == 0.5f * static_cast<float>(i * 8 - 128));

  // q[i] cycles through all 64 codes, out of step with every sub-block; scale of 16 values = its
  // number - 8.
  const auto q = [](int i) { return (i * 7 + i / 64) % 64; };
  std::string q6(210, '\0');
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, g = i % 128 / 32, k = i % 32;
    q6[64 * half + k + (g % 2) * 32] |= static_cast<char>((q(i) & 15) << (g / 2 * 4));
    q6[128 + 32 * half + k] |= static_cast<char>((q(i) >> 4) << (2 * g));
    q6[192 + i / 16] = static_cast<char>(i / 16 - 8);
  }
  q6.replace(208, 2, le(kHalfHalf));
  const auto q6_values = values(view(DType::kQ6_K, {1, 256}, q6));
  for (int i = 0; i < 256; ++i) {
    INFO(i);
    CHECK(q6_values[i] == 0.5f * static_cast<float>(i / 16 - 8) * static_cast<float>(q(i) - 32));
  }
}

TEST_CASE("q5_0 decodes by its defining formula, and is q8_0 in other clothes") {
  const auto q = [](int i) { return (i * 7 + 3) % 32; };
  std::string bytes = le(kHalfHalf) + std::string(20, '\0');
  for (int i = 0; i < 32; ++i) {
    bytes[2 + i / 8] |= static_cast<char>((q(i) >> 4) << (i % 8));
    bytes[6 + i % 16] |= static_cast<char>((q(i) & 15) << (i / 16 * 4));
  }
  bytes += bytes;
  const TensorView t = view(DType::kQ5_0, {2, 32}, bytes);
  const auto got = values(t);
  for (int i = 0; i < 64; ++i) CHECK(got[i] == 0.5f * static_cast<float>(q(i % 32) - 16));
  std::string wider(34, '\0');
  q5_0_as_q8_0(t, 1, reinterpret_cast<std::byte*>(wider.data()));
  CHECK(values(view(DType::kQ8_0, {1, 32}, wider)) ==
        std::vector<float>(got.begin() + 32, got.end()));
}

TEST_CASE("q4_k decodes by its defining formula") {
  // Scales and minima take all six bits, and each sub-block's differ.
  const auto scale = [](int j) { return (j * 9 + 5) % 64; };
  const auto least = [](int j) { return 63 - j * 9; };
  const auto q = [](int i) { return (i * 7 + i / 32) % 16; };
  std::string bytes = le(kHalfHalf) + le(kHalfOne) + std::string(140, '\0');
  const auto put = [&](int at, int bits) {
    bytes[static_cast<std::size_t>(at)] =
        static_cast<char>(bytes[static_cast<std::size_t>(at)] | bits);
  };
  for (int j = 0; j < 8; ++j) {
    if (j < 4) {
      put(4 + j, scale(j));
      put(8 + j, least(j));
    } else {
      put(8 + j, (scale(j) & 15) | (least(j) & 15) << 4);
      put(j, scale(j) >> 4 << 6);
      put(4 + j, least(j) >> 4 << 6);
    }
  }
  for (int i = 0; i < 256; ++i) put(16 + i / 64 * 32 + i % 32, q(i) << (i / 32 % 2 * 4));
  const auto got = values(view(DType::kQ4_K, {1, 256}, bytes));
  for (int i = 0; i < 256; ++i) {
    INFO(i);
    CHECK(got[i] ==
          0.5f * static_cast<float>(scale(i / 32) * q(i)) - static_cast<float>(least(i / 32)));
  }
}

TEST_CASE("ternary formats give back the trits, their values and their scale") {
  const Trits expected = random_trits(3 * 512);
  const std::string packed[] = {i2s(expected, 0.75f), tq1(expected, 0x3a00), tq2(expected, 0.75f)};
  const DType types[] = {DType::kI2S, DType::kTq1_0, DType::kTq2_0};
  for (int i = 0; i < 3; ++i) {
    const TensorView t = view(types[i], {3, 512}, packed[i]);
    INFO(describe(t));
    CHECK(trits(t) == expected);
    CHECK(ternary_scale(t) == 0.75f);
    const std::vector<float> decoded = values(t);
    for (std::size_t k = 0; k < expected.size(); ++k) REQUIRE(decoded[k] == 0.75f * expected[k]);
  }
}

TEST_CASE("every TQ1_0 byte decodes to the five trits it encodes") {
  for (int q = 0; q < 243; ++q) {
    std::string block(54, '\0');
    block[0] = static_cast<char>((q * 256 + 242) / 243);
    block.replace(52, 2, le(kHalfOne));
    const Trits decoded = trits(view(DType::kTq1_0, {1, 256}, block));
    int again = 0;
    for (int n = 0; n < 5; ++n) again = again * 3 + decoded[32 * n] + 1;
    CHECK(again == q);
  }
}

TEST_CASE("I2_S rows may begin and end inside a block") {
  for (const std::int64_t cols : {64, 192, 32, 1}) {
    const Trits expected = random_trits(384);
    const std::string packed = i2s(expected, 2.0f);
    CHECK(trits(view(DType::kI2S, {384 / cols, cols}, packed)) == expected);
  }
}

TEST_CASE("Hugging Face packing keeps four values a quarter of the rows apart") {
  // One column of 8 rows, 2 bytes: rows 0, 2, 4, 6 in the first.
  const std::string packed{static_cast<char>(0b10'01'00'10), static_cast<char>(0b00'00'10'01)};
  CHECK(hf_trits(view(DType::kU8, {2, 1}, packed)) == Trits{1, 0, -1, 1, 0, -1, 1, -1});
}

TEST_CASE("TQ scales must agree; zero is for all-zero blocks") {
  Trits t = random_trits(512);
  std::fill(t.begin(), t.begin() + 256, std::int8_t{0});
  std::string zero_first = tq1(t, kHalfOne);
  zero_first.replace(52, 2, le<std::uint16_t>(0));
  CHECK(ternary_scale(view(DType::kTq1_0, {2, 256}, zero_first)) == 1.0f);
  CHECK(ternary_scale(view(DType::kTq2_0, {2, 256}, tq2(t, 1.0f))) == 1.0f);

  std::string zero_second = tq1(t, kHalfOne);
  zero_second.replace(54 + 52, 2, le<std::uint16_t>(0));
  CHECK_THROWS_WITH(ternary_scale(view(DType::kTq1_0, {2, 256}, zero_second)),
                    Catch::Contains("1 in block 0 and 0 in block 1"));
  std::string other = tq1(t, kHalfOne);
  other.replace(52, 2, le(kHalfHalf));
  CHECK_THROWS_WITH(
      ternary_scale(view(DType::kTq1_0, {2, 256}, other)),
      Catch::Contains("tensor 'w', tq1_0 (2, 256)") && Catch::Contains("0.5 in block 0"));
  std::string infinite = tq1(t, 0x7c00);
  CHECK_THROWS_WITH(ternary_scale(view(DType::kTq1_0, {2, 256}, infinite)),
                    Catch::Contains("finite"));
  const std::string nan = i2s(t, std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_WITH(ternary_scale(view(DType::kI2S, {2, 256}, nan)), Catch::Contains("finite"));
}

TEST_CASE("what cannot be decoded is an error that names the tensor") {
  const Trits t(512, 1);
  const auto broken = [](std::string bytes, std::size_t at) {
    bytes[at] = '\x0c';  // code 3 in the second group
    return bytes;
  };
  const std::string bad_i2s = broken(i2s(t, 1), 70);
  const std::string bad_tq2 = broken(tq2(t, 1), 66 + 40);
  const std::string bad_hf = broken(std::string(8, '\0'), 5);
  std::vector<std::int8_t> trits_out(256);
  std::vector<float> out(256);
  const TensorView i2s_view = view(DType::kI2S, {2, 256}, bad_i2s);
  const TensorView tq2_view = view(DType::kTq2_0, {2, 256}, bad_tq2);
  const std::string code_three = "expected codes 0, 1 or 2, got code 3 in row 1";
  CHECK_NOTHROW(decode_trits(i2s_view, 0, trits_out.data()));
  CHECK_THROWS_WITH(decode_trits(i2s_view, 1, trits_out.data()),
                    Catch::Contains("tensor 'w'") && Catch::Contains(code_three));
  CHECK_THROWS_WITH(decode_row(i2s_view, 1, out.data()),
                    Catch::Contains("tensor 'w'") && Catch::Contains(code_three));
  CHECK_NOTHROW(decode_trits(tq2_view, 0, trits_out.data()));
  CHECK_THROWS_WITH(decode_trits(tq2_view, 1, trits_out.data()),
                    Catch::Contains("tensor 'w'") && Catch::Contains(code_three));
  CHECK_THROWS_WITH(decode_hf_packed_trits(view(DType::kU8, {2, 4}, bad_hf), 3, trits_out.data()),
                    Catch::Contains("code 3 in row 3"));

  const std::string f32(32, '\0');
  const TensorView plain = view(DType::kF32, {2, 4}, f32);
  CHECK_THROWS_WITH(decode_row(plain, 2, out.data()), Catch::Contains("a row below 2, got row 2"));
  CHECK_THROWS_WITH(decode_row(plain, -1, out.data()), Catch::Contains("got row -1"));
  CHECK_THROWS_WITH(decode_trits(plain, 0, trits_out.data()),
                    Catch::Contains("a ternary type, got f32"));
  CHECK_THROWS_WITH(ternary_scale(plain), Catch::Contains("a ternary type, got f32"));
  CHECK_THROWS_WITH(decode_row(view(DType::kF32, {2, 5}, f32), 0, out.data()),
                    Catch::Contains("expected 40 bytes, got 32"));
  CHECK_THROWS_WITH(decode_row(view(DType::kI32, {2, 4}, f32), 0, out.data()),
                    Catch::Contains("got i32"));
  CHECK_THROWS_WITH(decode_hf_packed_trits(plain, 0, trits_out.data()),
                    Catch::Contains("packed trits"));
  CHECK_THROWS_WITH(decode_row(view(DType::kU8, {0, 4}, std::string()), 0, out.data()),
                    Catch::Contains("a row below 0"));
}

TEST_CASE("encoders refuse what they cannot store") {
  std::vector<std::byte> out(1024);
  CHECK_THROWS_WITH(encode_tq2_0(Trits(255), 1, out.data()), Catch::Contains("multiple of 256"));
  CHECK_THROWS_WITH(encode_i2s_codes(Trits(64), out.data()), Catch::Contains("multiple of 128"));
  CHECK_THROWS_WITH(encode_i2s_codes(Trits(128, 2), out.data()), Catch::Contains("got 2"));
  CHECK_THROWS_WITH(encode_tq2_0(Trits(256, 1), 1e6f, out.data()),
                    Catch::Contains("fits binary16"));
}

TEST_CASE("the oracle's block vectors decode bit for bit") {
  if (!std::filesystem::exists(oracle() / "quants")) {
    WARN("not tested: no " << oracle());
    return;
  }
  const SafetensorsFile file(oracle() / "quants/quant_vectors.safetensors");
  const auto raw = [&](const std::string& name) { return file.find(name)->bytes; };
  const std::pair<const char*, DType> plain[] = {{"Q8_0", DType::kQ8_0}, {"Q4_0", DType::kQ4_0},
                                                 {"Q6_K", DType::kQ6_K}, {"Q4_K", DType::kQ4_K},
                                                 {"F16", DType::kF16},   {"BF16", DType::kBf16}};
  for (const auto& [name, type] : plain) {
    INFO(name);
    CHECK(same_bits(values(view(type, {4, 512}, raw(name + std::string(".raw")))),
                    values(*file.find(name + std::string(".values")))));
  }

  const auto codes = raw("ternary.codes");
  Trits expected(codes.size());
  std::memcpy(expected.data(), codes.data(), codes.size());
  const float scale = values(*file.find("ternary.scale"))[0];
  const std::pair<const char*, DType> ternary[] = {
      {"TQ1_0", DType::kTq1_0}, {"TQ2_0", DType::kTq2_0}, {"I2_S", DType::kI2S}};
  for (const auto& [name, type] : ternary) {
    INFO(name);
    const std::string key = "ternary." + std::string(name);
    const TensorView t = view(type, {8, 512}, raw(key + ".raw"));
    CHECK(trits(t) == expected);
    if (type != DType::kI2S) CHECK(same_bits(values(t), values(*file.find(key + ".values"))));
    CHECK(std::abs(ternary_scale(t) - scale) <= scale * (type == DType::kI2S ? 0 : 0x1p-11f));
  }
  CHECK(hf_trits(view(DType::kU8, {2, 512}, raw("ternary.HF_PACKED.raw"))) == expected);

  const auto text = [&](const std::string& name) {
    return std::string(reinterpret_cast<const char*>(raw(name).data()), raw(name).size());
  };
  CHECK(i2s(expected, scale) == text("ternary.I2_S.raw"));
  CHECK(tq2(expected, scale) == text("ternary.TQ2_0.raw"));
}

TEST_CASE("the oracle's tiny-a is one network in every format") {
  const std::filesystem::path folder = oracle() / "models/tiny-a";
  if (!std::filesystem::exists(folder)) {
    WARN("not tested: no " << folder);
    return;
  }
  const GgufFile i2s_file(folder / "tiny-a.i2_s.gguf");
  const SafetensorsFile packed(folder / "hf-packed");
  const SafetensorsFile unpacked(folder / "hf-bf16");
  for (const char* format : {"tq1_0", "tq2_0", "ternary-f16", "ternary-f32"}) {
    const GgufFile file(folder / ("tiny-a." + std::string(format) + ".gguf"));
    for (const TensorView& reference : i2s_file.tensors()) {
      INFO(format << " " << reference.name);
      const TensorView* t = file.find(reference.name);
      REQUIRE(t != nullptr);
      CHECK(t->shape == reference.shape);
      CHECK(values(*t) == values(reference));
      if (reference.type != DType::kI2S || !std::string(format).starts_with("tq")) continue;
      CHECK(trits(*t) == trits(reference));
      CHECK(ternary_scale(*t) == ternary_scale(reference));
    }
  }
  for (const std::string layer : {"0", "1"}) {
    for (const auto& [gguf, hf] : {std::pair("down", "down"), {"gate", "gate"}, {"up", "up"}}) {
      const TensorView* a = i2s_file.find("blk." + layer + ".ffn_" + gguf + ".weight");
      const std::string name = "model.layers." + layer + ".mlp." + hf + "_proj.weight";
      CHECK(hf_trits(*packed.find(name)) == trits(*a));
      CHECK(unpacked.find(name)->shape == a->shape);
    }
  }
}
