#pragma once
// Rotary position embeddings (Su et al., arXiv:2104.09864): the angles of one position, and how
// checkpoints for long contexts slow the rotations down. Rotating itself is a kernel
// (kernels/vector/vector.h).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tern::engine {

// "rope_scaling" of type "llama3" (the transformers library's modeling_rope_utils). With
// wavelength = 2 pi / frequency, rotations shorter than original_context / high_freq_factor stay,
// those longer than original_context / low_freq_factor are slowed down by `factor`, and between
// the two the change is gradual.
struct Llama3Rope {
  double factor = 0, low_freq_factor = 0, high_freq_factor = 0, original_context = 0;
};

// What the frequency of each rotated pair is divided by, (head_dim / 2): the tensor
// rope_freqs.weight of a GGUF. Throws Error naming `origin` when a parameter makes no sense.
std::vector<float> llama3_divisors(const Llama3Rope& rope, double theta, std::int64_t head_dim,
                                   const std::string& origin);

// Cosines, then sines, of the head_dim / 2 angles at `position`: position * (1 / theta^(2i /
// head_dim)) / divisors[i], the frequency rounded to binary32 before and after the division, and
// the angle too, as the reference implementations do. divisors: (head_dim / 2), or none. cos_sin:
// (head_dim).
void fill_rope_row(double theta, std::span<const float> divisors, std::int64_t head_dim,
                   std::int64_t position, float* cos_sin) noexcept;

}  // namespace tern::engine
