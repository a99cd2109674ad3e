#pragma once
// What this CPU *and* its operating system let us execute: CPUID with XGETBV on x86-64, getauxval
// on ARM64. A set of feature levels, each the bundle of bits one kernels row needs.

#include <cstdint>
#include <string>

namespace tern::kernels {

enum class Feature : std::uint32_t {
  kNone = 0,
  kAvx2 = 1u << 0,        // AVX2, FMA, F16C, and the OS saves YMM state
  kAvxVnni = 1u << 1,     // kAvx2 and the VEX-encoded VPDPBUSD
  kAvx512Vnni = 1u << 2,  // AVX-512 F/BW/DQ/VL/VNNI, and the OS saves ZMM state
  kAvx512Vbmi = 1u << 3,  // the same and VBMI
  kAmxInt8 = 1u << 4,     // the same, AMX tiles and int8 products, and the OS let us use them
  kZen4 = 1u << 8,        // kAvx512Vbmi on a processor of AMD's: Zen 4 or later
  kAvx512Bf16 = 1u << 9,  // kAvx512Vnni and the dot product of BF16
  kAmxBf16 = 1u << 10,    // kAvx512Bf16 and kAmxInt8, and AMX products of BF16
  kNeon = 1u << 5,        // Advanced SIMD (every ARMv8-A)
  kDotprod = 1u << 6,     // SDOT/UDOT (ARMv8.2-A DotProd)
  kI8mm = 1u << 7,        // kDotprod and SMMLA (ARMv8.6-A I8MM)
};

// Both levels, for a row that needs more than one of them.
constexpr Feature operator|(Feature a, Feature b) noexcept {
  return static_cast<Feature>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

struct CpuFeatures {
  std::uint32_t bits = 0;
  bool has(Feature feature) const noexcept {
    const auto mask = static_cast<std::uint32_t>(feature);
    return (bits & mask) == mask;
  }
};

// Thread-safe; asks the hardware each time. Linux hands out the 8 KiB of AMX tile state to a
// process on request only: asking for it is part of finding out.
CpuFeatures detect_cpu() noexcept;

// One phrase on why `feature` is not usable here ("the CPU lacks AVX-512 VNNI"), empty when it is.
std::string why_not(Feature feature, CpuFeatures cpu);

// Round to nearest even, denormals kept, on the calling thread. Some libraries switch flush-to-zero
// on for a whole process, which would change answers: every worker thread calls this once at its
// start.
void reset_float_mode() noexcept;

}  // namespace tern::kernels
