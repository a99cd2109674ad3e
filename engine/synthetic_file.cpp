// Writing a synthetic model as a GGUF that other engines load: llama.cpp's family wants a
// vocabulary, so a SentencePiece-style one of byte tokens and fillers is made up.
#include <algorithm>
#include <vector>

#include "engine/error.h"
#include "engine/formats/block_encoders.h"
#include "engine/formats/blocks.h"
#include "engine/formats/gguf_writer.h"
#include "engine/synthetic.h"
#include "engine/thread_pool.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

constexpr std::int64_t kBos = 1;
constexpr std::int64_t kEos = 2;

struct Matrix {
  std::string name;
  std::int64_t layer;
  LayerRole role;
  std::int64_t rows, cols;
};

std::vector<Matrix> layer_matrices(const SyntheticShape& s, std::int64_t layer) {
  const std::int64_t q = s.heads * s.head_dim;
  const std::int64_t kv = s.kv_heads * s.head_dim;
  const auto matrix = [&](LayerRole role, std::int64_t rows, std::int64_t cols) {
    return Matrix{tensor_name(Container::kGguf, layer, role), layer, role, rows, cols};
  };
  return {matrix(LayerRole::kQ, q, s.hidden),        matrix(LayerRole::kK, kv, s.hidden),
          matrix(LayerRole::kV, kv, s.hidden),       matrix(LayerRole::kO, s.hidden, q),
          matrix(LayerRole::kGate, s.ffn, s.hidden), matrix(LayerRole::kUp, s.ffn, s.hidden),
          matrix(LayerRole::kDown, s.hidden, s.ffn)};
}

struct Norm {
  std::string name;
  std::int64_t size;
};

std::vector<Norm> norms(const SyntheticShape& s) {
  std::vector<Norm> all;
  const auto add = [&](std::int64_t layer, LayerRole role, std::int64_t size) {
    all.push_back({tensor_name(Container::kGguf, layer, role), size});
  };
  for (std::int64_t layer = 0; layer < s.layers; ++layer) {
    add(layer, LayerRole::kAttnNorm, s.hidden);
    add(layer, LayerRole::kAttnSubNorm, s.heads * s.head_dim);
    add(layer, LayerRole::kFfnNorm, s.hidden);
    add(layer, LayerRole::kFfnSubNorm, s.ffn);
  }
  all.push_back({tensor_name(Container::kGguf, ModelRole::kOutputNorm), s.hidden});
  return all;
}

// Byte tokens where SentencePiece puts them (3..258), fillers behind. token_type: 1 normal, 2
// unknown, 3 control, 6 byte.
void write_vocabulary(GgufWriter& writer, std::int64_t vocab) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<std::int64_t> types = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    tokens.push_back(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">");
    types.push_back(6);
  }
  for (auto i = static_cast<std::int64_t>(tokens.size()); i < vocab; ++i) {
    tokens.push_back("filler" + std::to_string(i));
    types.push_back(1);
  }
  tokens.resize(static_cast<std::size_t>(vocab));
  types.resize(static_cast<std::size_t>(vocab));
  std::vector<double> scores(tokens.size());
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = -static_cast<double>(i);
  writer.set("tokenizer.ggml.model", std::string("llama"));
  writer.set("tokenizer.ggml.tokens", tokens);
  writer.set("tokenizer.ggml.scores", scores);
  writer.set("tokenizer.ggml.token_type", types);
  writer.set("tokenizer.ggml.bos_token_id", static_cast<std::uint64_t>(kBos));
  writer.set("tokenizer.ggml.eos_token_id", static_cast<std::uint64_t>(kEos));
  writer.set("tokenizer.ggml.unknown_token_id", std::uint64_t{0});
}

// llama.cpp's file types: mostly F16, Q4_0, Q8_0, TQ2_0; bitnet.cpp's: mostly I2_S.
std::uint64_t file_type(DType type) noexcept {
  switch (type) {
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ8_0:
      return 7;
    case DType::kTq2_0:
      return 37;
    default:
      return 40;
  }
}

void write_metadata(GgufWriter& writer, const SyntheticShape& s, DType type) {
  const std::string arch = "bitnet-b1.58";
  const auto integer = [&](const std::string& key, std::int64_t value) {
    writer.set(arch + "." + key, static_cast<std::uint64_t>(value));
  };
  writer.set("general.architecture", arch);
  writer.set("general.name", "tern synthetic " + full_name(s));
  writer.set("general.file_type", file_type(type));
  writer.set("general.quantization_version", std::uint64_t{2});
  integer("vocab_size", s.vocab);
  integer("context_length", s.context);
  integer("embedding_length", s.hidden);
  integer("block_count", s.layers);
  integer("feed_forward_length", s.ffn);
  integer("rope.dimension_count", s.head_dim);
  integer("attention.head_count", s.heads);
  integer("attention.head_count_kv", s.kv_heads);
  if (s.heads * s.head_dim != s.hidden) {
    integer("attention.key_length", s.head_dim);
    integer("attention.value_length", s.head_dim);
  }
  writer.set(arch + ".attention.layer_norm_rms_epsilon", 1e-5);
  writer.set(arch + ".rope.freq_base", s.rope_theta);
  write_vocabulary(writer, s.vocab);
}

// One piece of a matrix as the file wants it. `rows` rows of trits, row-major.
std::vector<std::byte> encode(DType type, std::span<const std::int8_t> trits, float scale) {
  std::vector<std::byte> out;
  if (type == DType::kTq2_0) {
    out.resize(trits.size() / 256 * 66);
    encode_tq2_0(trits, scale, out.data());
  } else if (type == DType::kI2S) {
    out.resize(trits.size() / 4);
    encode_i2s_codes(trits, out.data());
  } else if (type == DType::kQ8_0 || type == DType::kQ4_0) {
    out.resize(trits.size() / 32 * (type == DType::kQ8_0 ? 34 : 18));
    encode_block_trits(type, trits, scale, out.data());
  } else {
    const std::uint16_t values[3] = {kernels::f32_to_f16(-scale), 0, kernels::f32_to_f16(scale)};
    out.resize(trits.size() * 2);
    for (std::size_t i = 0; i < trits.size(); ++i) {
      const std::uint16_t h = values[trits[i] + 1];
      out[2 * i] = static_cast<std::byte>(h & 0xff);
      out[2 * i + 1] = static_cast<std::byte>(h >> 8);
    }
  }
  return out;
}

void write_matrix(GgufWriter& writer, const SyntheticShape& shape, const Matrix& m,
                  std::uint64_t seed, DType type, ThreadPool& pool) {
  const float scale = synthetic_scale(m.cols);
  // Every synthetic dimension is a multiple of 128, so 128-row pieces are whole I2_S and TQ2_0
  // blocks.
  constexpr std::int64_t kRows = 128;
  for (std::int64_t begin = 0; begin < m.rows; begin += kRows * pool.threads()) {
    const std::int64_t rows = std::min(m.rows - begin, kRows * pool.threads());
    std::vector<std::vector<std::byte>> pieces(
        static_cast<std::size_t>((rows + kRows - 1) / kRows));
    pool.parallel_items(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
      const std::int64_t first = begin + i * kRows;
      const std::int64_t count = std::min(kRows, begin + rows - first);
      std::vector<std::int8_t> trits(static_cast<std::size_t>(count * m.cols));
      for (std::int64_t r = 0; r < count; ++r) {
        synthetic_trits(shape, seed, m.layer, m.role, first + r, m.cols, trits.data() + r * m.cols);
      }
      pieces[static_cast<std::size_t>(i)] = encode(type, trits, scale);
    });
    for (const auto& piece : pieces) writer.write(piece);
  }
  if (type == DType::kI2S) {
    std::byte tail[32];
    i2s_tail(scale, tail);
    writer.write(tail);
  }
}

void write_embedding(GgufWriter& writer, const SyntheticShape& s, std::uint64_t seed) {
  std::vector<std::uint16_t> row(static_cast<std::size_t>(s.hidden));
  for (std::int64_t r = 0; r < s.vocab; ++r) {
    synthetic_embedding_row(seed, r, s.hidden, row.data());
    writer.write(std::as_bytes(std::span(row)));
  }
}

}  // namespace

void write_synthetic(const SyntheticShape& shape, std::uint64_t seed, DType type,
                     const std::filesystem::path& target, ThreadPool& pool) {
  if (type == DType::kTq2_0 && (shape.hidden % 256 != 0 || shape.ffn % 256 != 0 ||
                                shape.heads * shape.head_dim % 256 != 0)) {
    throw Error("synthetic model '" + std::string(shape.name) +
                "' as tq2_0: expected matrix columns in multiples of 256");
  }
  GgufWriter writer(target);
  write_metadata(writer, shape, type);
  writer.declare_tensor(tensor_name(Container::kGguf, ModelRole::kEmbedding), DType::kF16,
                        {shape.vocab, shape.hidden});
  for (const Norm& norm : norms(shape)) writer.declare_tensor(norm.name, DType::kF32, {norm.size});
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const Matrix& m : layer_matrices(shape, layer)) {
      writer.declare_tensor(m.name, type, {m.rows, m.cols});
    }
  }
  write_embedding(writer, shape, seed);
  for (const Norm& norm : norms(shape)) {
    const std::vector<float> ones(static_cast<std::size_t>(norm.size), 1.0f);
    writer.write(std::as_bytes(std::span(ones)));
  }
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const Matrix& m : layer_matrices(shape, layer)) {
      write_matrix(writer, shape, m, seed, type, pool);
    }
  }
  writer.finish();
}

}  // namespace tern::engine
