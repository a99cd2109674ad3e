#pragma once
// How element types lie in memory: sizes, and decoding of one row to binary32 or to trits. Sources
// of each layout: ggml (F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q6_K, TQ1_0, TQ2_0), bitnet.cpp (I2_S),
// the Hugging Face BitNet integration (packed U8).

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace tern::engine {

// Elements per block (1 for plain types, 128 for I2_S because its rows must be whole blocks only in
// total).
std::int64_t block_elements(DType type) noexcept;

// Bytes of a tensor of that type and shape (outermost first), or nullopt-like -1 when the shape
// does not fit the type (cols not a multiple of the block, I2_S total not a multiple of 128) or the
// size overflows.
std::int64_t tensor_bytes(DType type, std::span<const std::int64_t> shape) noexcept;

// Row `row` of a matrix (rows, cols) as binary32, by the type's defining formula. Types: F32, F16,
// BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q6_K, TQ1_0, TQ2_0, I2_S. out: (cols).
void decode_row(const TensorView& tensor, std::int64_t row, float* out);

// Row `row` of a Q5_0 matrix as the blocks of Q8_0 that stand for the same values: the same scales
// over wider integers. out: cols / 32 * 34 bytes.
void q5_0_as_q8_0(const TensorView& tensor, std::int64_t row, std::byte* out);

// Ternary types: the trits of one row, out: (cols). Codes that are no trit (3 in I2_S or TQ2_0)
// throw Error naming tensor and row.
void decode_trits(const TensorView& tensor, std::int64_t row, std::int8_t* out);

// Ternary types: the one scale of the tensor. I2_S: the binary32 behind the codes. TQ1_0 and TQ2_0
// carry a binary16 per block: all must agree, except 0 over a block whose trits are all zero;
// otherwise Error.
float ternary_scale(const TensorView& tensor);

// Hugging Face packed ternary: U8 (rows/4, cols), byte (r, c) bits 2i..2i+1 = trit[i*rows/4 + r][c]
// + 1.
void decode_hf_packed_trits(const TensorView& tensor, std::int64_t row, std::int8_t* out);

// Encoders, for writing synthetic models. trits: (rows, cols) of the whole tensor, row-major
// pieces: cols a multiple of 256 for TQ2_0; I2_S packs the flat tensor in 128-blocks, so pieces
// must be multiples of 128 values. encode_tq2_0 writes elements/256*66 bytes, encode_i2s_codes
// elements/4 bytes (the tail of scale and 28 zero bytes is written by the caller through i2s_tail).
void encode_tq2_0(std::span<const std::int8_t> trits, float scale, std::byte* out);
void encode_i2s_codes(std::span<const std::int8_t> trits, std::byte* out);
void i2s_tail(float scale, std::byte out[32]) noexcept;

}  // namespace tern::engine
