#pragma once
// Models of a named shape with seeded random weights, for speed work without a download: BitNet
// b1.58 2B4T's exact shape and the twelve dummy shapes of arXiv:2410.16144, appendix A. The weights
// depend on the name and the seed only: not on threads, kernels row or machine.
//
// Random weights make half of the gates negative; trained models with squared ReLU have about 80 %
// zeros there (arXiv:2411.04965). "NAME:zeros=0.8" takes weights out of gate rows until about that
// share of a token's gates is not positive; as part of the name it stands beside every figure.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model_config.h"
#include "engine/tensor.h"
#include "engine/tensor_names.h"

namespace tern::engine {

class ThreadPool;

struct SyntheticShape {
  std::string_view name;  // "bitnet-b1.58-2b4t", "125m", …
  std::int64_t hidden, ffn, layers, heads, kv_heads, head_dim, vocab, context;
  double rope_theta;
  double zeros = 0.5;  // share of gates that are not positive, in [0.5, 1)
};

std::span<const SyntheticShape> synthetic_shapes() noexcept;

// name: without "synth:", with or without ":zeros=SHARE". Throws Error listing the known names when
// it is none of them.
SyntheticShape synthetic_shape(std::string_view name);

// "bitnet-b1.58-2b4t", "bitnet-b1.58-2b4t:zeros=0.8".
std::string full_name(const SyntheticShape& shape);

ModelConfig config_of(const SyntheticShape& shape);

// Parameters of the linear layers alone.
std::int64_t synthetic_parameters(const SyntheticShape& shape) noexcept;

// Bytes of memory a loaded model of that shape needs for its weights, ternary or as the FP16 twin.
std::int64_t synthetic_bytes(const SyntheticShape& shape, bool half_linears);

inline constexpr std::uint64_t kSyntheticSeed = 20240227;  // the day arXiv:2402.17764 appeared

// The number of a layer's matrix, which seeds its trits.
std::int64_t synthetic_tensor(std::int64_t layer, LayerRole role) noexcept;

// Trits of one row of tensor number `tensor`: uniform in {-1, 0, 1}. out: (cols).
void synthetic_trits(std::uint64_t seed, std::int64_t tensor, std::int64_t row, std::int64_t cols,
                     std::int8_t* out) noexcept;

// The same for a matrix of a shape, some of whose gate rows have no weights.
void synthetic_trits(const SyntheticShape& shape, std::uint64_t seed, std::int64_t layer,
                     LayerRole role, std::int64_t row, std::int64_t cols,
                     std::int8_t* out) noexcept;

// One row of the embedding as binary16 bits: uniform in (-1, 1). out: (cols).
void synthetic_embedding_row(std::uint64_t seed, std::int64_t row, std::int64_t cols,
                             std::uint16_t* out) noexcept;

// The weight scale of a ternary matrix with that many columns: keeps activations of order one.
float synthetic_scale(std::int64_t cols) noexcept;

// Writes a GGUF other engines can load. type: kI2S, kTq2_0, kQ8_0, kQ4_0 or kF16 (of the linear
// layers); all but kI2S round the scale to binary16.
void write_synthetic(const SyntheticShape& shape, std::uint64_t seed, DType type,
                     const std::filesystem::path& target, ThreadPool& pool);

}  // namespace tern::engine
