#pragma once
// The constants of exp_f32 and of GELU, shared by math.cpp, the scalar kernels and every vector
// implementation of the same steps.
// Namespace-scope constexpr has internal linkage: nothing here can leak out of an ISA object.

namespace tern::kernels {

constexpr float kExpLowest = -87.0f;  // below: +0, so that no result is subnormal
constexpr float kExpHighest = 88.0f;  // above: +infinity
constexpr float kLog2E = 0x1.715476p+0f;
// 1.5 * 2^23: adding it rounds to an integer (half to even), which the low mantissa bits then hold.
constexpr float kRoundMagic = 0x1.8p+23f;
// ln 2 = high + low. High has 9 significant bits, so n * high is exact for |n| <= 127.
constexpr float kLn2High = 0x1.63p-1f;
constexpr float kLn2Low = -0x1.bd0106p-13f;
// exp(r) ~ 1 + r + r^2 (c2 + c3 r + c4 r^2 + c5 r^3 + c6 r^4) on |r| <= 0.3475: minimax fit
// (Lawson's iteration) with the first two coefficients held at 1, relative error 3.2e-9.
constexpr float kExpC2 = 0x1p-1f;
constexpr float kExpC3 = 0x1.55548cp-3f;
constexpr float kExpC4 = 0x1.55545cp-5f;
constexpr float kExpC5 = 0x1.123ceap-7f;
constexpr float kExpC6 = 0x1.6db5f8p-10f;

// GELU by tanh (arXiv:1606.08415): 0.5 g (1 + tanh u) = g / (1 + exp(-2u)) with
// -2u = g (linear + cubic g^2), linear = -2 sqrt(2 / pi), cubic = 0.044715 linear.
constexpr float kGeluLinear = -0x1.988454p+0f;
constexpr float kGeluCubic = -0x1.2444f2p-4f;

}  // namespace tern::kernels
