#include "engine/synthetic.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

// hidden, ffn, layers, heads, kv_heads, head_dim, vocab, context, rope_theta. 2B4T: its published
// config.json. The twelve dummy shapes: arXiv:2410.16144, appendix A (multi-head attention), with
// the vocabulary of its generator and one tied embedding. "tiny" is for tests.
constexpr std::array<SyntheticShape, 14> kShapes = {{
    {"bitnet-b1.58-2b4t", 2560, 6912, 30, 20, 5, 128, 128256, 4096, 500000.0},
    {"125m", 768, 3072, 11, 12, 12, 64, 32002, 4096, 10000.0},
    {"350m", 1024, 3072, 24, 16, 16, 64, 32002, 4096, 10000.0},
    {"700m", 1536, 4096, 24, 16, 16, 96, 32002, 4096, 10000.0},
    {"1b", 2048, 3584, 24, 32, 32, 64, 32002, 4096, 10000.0},
    {"1.5b", 1536, 9216, 28, 32, 32, 48, 32002, 4096, 10000.0},
    {"2.5b", 2560, 6912, 30, 20, 20, 128, 32002, 4096, 10000.0},
    {"3.8b", 3840, 8192, 24, 32, 32, 120, 32002, 4096, 10000.0},
    {"7b", 4096, 12032, 32, 32, 32, 128, 32002, 4096, 10000.0},
    {"13b", 5120, 13824, 40, 40, 40, 128, 32002, 4096, 10000.0},
    {"30b", 6656, 16384, 60, 52, 52, 128, 32002, 4096, 10000.0},
    {"70b", 8192, 24576, 80, 64, 64, 128, 32002, 4096, 10000.0},
    {"100b", 8192, 45568, 72, 64, 64, 128, 32002, 4096, 10000.0},
    {"tiny", 256, 512, 2, 4, 2, 64, 512, 4096, 10000.0},
}};

// SplitMix64 (Steele, Lea, Flood 2014): one addition and one mix per draw; any start is a good
// seed.
struct SplitMix64 {
  std::uint64_t state;
  std::uint64_t next() noexcept {
    state += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
};

// An independent stream for each (tensor, row): the mixed state of two draws.
SplitMix64 stream(std::uint64_t seed, std::int64_t tensor, std::int64_t row) noexcept {
  SplitMix64 a{seed ^ (static_cast<std::uint64_t>(tensor) * 0xd1342543de82ef95u)};
  const std::uint64_t tensor_seed = a.next();
  SplitMix64 b{tensor_seed ^ (static_cast<std::uint64_t>(row) * 0x2545f4914f6cdd1du)};
  return {b.next()};
}

// Five trits from one random byte: its value scaled to 0..242, in base 3. The bias (13 of the 243
// patterns come twice) is at most 0.4 % per trit and irrelevant to speed.
constexpr int kTritsPerByte = 5;
constexpr auto kTrits = [] {
  std::array<std::array<std::int8_t, 8>, 256> table{};
  for (int byte = 0; byte < 256; ++byte) {
    int value = byte * 243 / 256;
    for (int i = 0; i < kTritsPerByte; ++i, value /= 3) {
      table[static_cast<std::size_t>(byte)][static_cast<std::size_t>(i)] =
          static_cast<std::int8_t>(value % 3 - 1);
    }
  }
  return table;
}();

constexpr std::int64_t kEmbeddingTensor = -1;

}  // namespace

std::span<const SyntheticShape> synthetic_shapes() noexcept { return kShapes; }

namespace {

constexpr std::string_view kZeros = ":zeros=";
constexpr double kLeastZeros = 0.5;

double parse_zeros(std::string_view name, std::string_view text) {
  double share = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), share);
  const bool number = error == std::errc() && end == text.data() + text.size();
  if (number && share >= kLeastZeros && share < 1) return share;
  throw Error("synthetic model '" + std::string(name) +
              "': expected zeros from 0.5 to less than 1, got \"" + std::string(text) + "\"");
}

std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

// Whether a gate row is one of those without weights: half of the others are negative, so this
// share of all must be empty.
bool is_empty_gate(const SyntheticShape& shape, std::uint64_t seed, std::int64_t tensor,
                   std::int64_t row) noexcept {
  if (shape.zeros <= kLeastZeros) return false;
  const double unit = std::ldexp(static_cast<double>(stream(~seed, tensor, row).next() >> 11), -53);
  return unit < 2 * shape.zeros - 1;
}

}  // namespace

SyntheticShape synthetic_shape(std::string_view name) {
  const std::size_t option = name.find(kZeros);
  std::string known;
  for (const SyntheticShape& shape : kShapes) {
    if (shape.name == name.substr(0, option)) {
      SyntheticShape found = shape;
      if (option != name.npos) {
        found.zeros = parse_zeros(name, name.substr(option + kZeros.size()));
      }
      return found;
    }
    known += (known.empty() ? "" : ", ") + std::string(shape.name);
  }
  throw Error("synthetic model '" + std::string(name) + "': expected one of " + known);
}

std::string full_name(const SyntheticShape& shape) {
  std::string name(shape.name);
  if (shape.zeros > kLeastZeros) name += std::string(kZeros) + shortest(shape.zeros);
  return name;
}

ModelConfig config_of(const SyntheticShape& shape) {
  ModelConfig c;
  c.architecture = "bitnet-b1.58";
  c.name = full_name(shape);
  c.vocab = shape.vocab;
  c.context = shape.context;
  c.hidden = shape.hidden;
  c.layers = shape.layers;
  c.ffn = shape.ffn;
  c.heads = shape.heads;
  c.kv_heads = shape.kv_heads;
  c.head_dim = shape.head_dim;
  c.rope_theta = shape.rope_theta;
  return c;
}

std::int64_t synthetic_parameters(const SyntheticShape& s) noexcept {
  const std::int64_t q = s.heads * s.head_dim;
  const std::int64_t kv = s.kv_heads * s.head_dim;
  return s.layers * (2 * s.hidden * q + 2 * s.hidden * kv + 3 * s.hidden * s.ffn);
}

std::int64_t synthetic_bytes(const SyntheticShape& s, bool half_linears) {
  const std::int64_t linear = synthetic_parameters(s);
  const std::int64_t norms = s.layers * (2 * s.hidden + s.heads * s.head_dim + s.ffn) * 4;
  return (half_linears ? linear * 2 : linear / 4) + s.vocab * s.hidden * 2 + norms;
}

std::int64_t synthetic_tensor(std::int64_t layer, LayerRole role) noexcept {
  return layer * kLayerMatrices + static_cast<std::int64_t>(role);
}

void synthetic_trits(std::uint64_t seed, std::int64_t tensor, std::int64_t row, std::int64_t cols,
                     std::int8_t* out) noexcept {
  SplitMix64 random = stream(seed, tensor, row);
  std::int64_t c = 0;
  while (c < cols) {
    std::uint64_t bits = random.next();
    for (int i = 0; i < 8 && c < cols; ++i, bits >>= 8, c += kTritsPerByte) {
      const auto& trits = kTrits[bits & 0xff];
      const std::int64_t n = cols - c < kTritsPerByte ? cols - c : kTritsPerByte;
      std::memcpy(out + c, trits.data(), static_cast<std::size_t>(n));
    }
  }
}

void synthetic_trits(const SyntheticShape& shape, std::uint64_t seed, std::int64_t layer,
                     LayerRole role, std::int64_t row, std::int64_t cols,
                     std::int8_t* out) noexcept {
  const std::int64_t tensor = synthetic_tensor(layer, role);
  if (role == LayerRole::kGate && is_empty_gate(shape, seed, tensor, row)) {
    std::memset(out, 0, static_cast<std::size_t>(cols));
  } else {
    synthetic_trits(seed, tensor, row, cols, out);
  }
}

// (2r - 2047) / 2048 for r of 11 random bits: uniform, symmetric, never 0, and exact in binary16.
void synthetic_embedding_row(std::uint64_t seed, std::int64_t row, std::int64_t cols,
                             std::uint16_t* out) noexcept {
  SplitMix64 random = stream(seed, kEmbeddingTensor, row);
  constexpr int kPerDraw = 5;
  for (std::int64_t c = 0; c < cols;) {
    std::uint64_t bits = random.next();
    for (int i = 0; i < kPerDraw && c < cols; ++i, bits >>= 11, ++c) {
      const auto r = static_cast<std::int32_t>(bits & 0x7ff);
      out[c] = kernels::f32_to_f16(static_cast<float>(2 * r - 2047) / 2048.0f);
    }
  }
}

// A trit has variance 2/3, so a normalised input row of `cols` unit-variance values gives unit
// variance out.
float synthetic_scale(std::int64_t cols) noexcept {
  return std::sqrt(1.5f / static_cast<float>(cols));
}

}  // namespace tern::engine
