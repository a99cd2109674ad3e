#pragma once
// Elementary functions of our own, because libm differs between systems and answers must not.
// Only + - * / fma and integer operations, no tables from libm, so every platform computes the same
// bits.

namespace tern::kernels {

// exp in binary32 within 2 ulp on [-87, 88]; 0 below (no subnormal results), +infinity above; a NaN
// stays a NaN. The vector implementations compute exactly this, operation by operation; see
// math.cpp for the steps.
float exp_f32(float x) noexcept;

// In binary64, for tables built once: relative (or, for sin and cos, absolute) error below 1e-14.
double exp_f64(double x) noexcept;                              // |x| < 700
double log_f64(double x) noexcept;                              // x > 0, normal
double pow_f64(double x, double y) noexcept;                    // x > 0, normal; |y log x| < 700
void sin_cos_f64(double x, double* sin, double* cos) noexcept;  // |x| < 1e8

}  // namespace tern::kernels
