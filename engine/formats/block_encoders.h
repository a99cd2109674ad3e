#pragma once
// From floats or trits to the block formats of blocks.h: heads quantised at load, twins of ternary
// models, synthetic files.

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace tern::engine {

// One row of finite weights as Q8_0 (a multiple of 32 values; ggml's reference quantiser: d =
// absmax / 127 rounded to binary16, codes round(x * (127 / absmax)), half away from zero) or Q6_K
// (a multiple of 256; of our own: the value of largest magnitude in a sub-block of 16 gets code
// -32, d = the largest sub-scale / 127 rounded to binary16, codes rounded half to even). Throws
// Error for another type, and where d does not fit binary16.
void encode_blocks(DType type, std::span<const float> row, std::byte* out);

// Trits (a multiple of 32) times `scale` as Q8_0 or Q4_0, every block with d = scale rounded to
// binary16. Throws Error for another type.
void encode_block_trits(DType type, std::span<const std::int8_t> trits, float scale,
                        std::byte* out);

}  // namespace tern::engine
