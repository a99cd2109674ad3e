// Activations as pairs of BF16, for the kernels that multiply pairs. Included inside the anonymous
// namespace; wants AVX512_BF16.

constexpr std::int64_t kLanes = 16;

constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) noexcept { return a < b ? a : b; }
constexpr std::int64_t whole(std::int64_t n, std::int64_t unit) noexcept {
  return (n + unit - 1) / unit * unit;
}

__mmask16 first_lanes(std::int64_t n) noexcept {
  return static_cast<__mmask16>(n >= kLanes ? 0xffffu : n > 0 ? (1u << n) - 1u : 0u);
}

// 32 columns as 16 pairs, rounded to nearest, ties to even, denormals to zeros; columns that do not
// exist are 0 and are not read.
__m512i round_pairs(const float* x, std::int64_t cols) noexcept {
  const __m512 low = _mm512_maskz_loadu_ps(first_lanes(cols), x);
  const __m512 high = _mm512_maskz_loadu_ps(first_lanes(cols - kLanes), x + kLanes);
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}
