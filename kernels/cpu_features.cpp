#include "kernels/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace tern::kernels {
namespace {

constexpr std::uint32_t bit(Feature feature) { return static_cast<std::uint32_t>(feature); }

struct FeatureName {
  Feature feature;
  const char* what;
};
constexpr FeatureName kFeatureNames[] = {
    {Feature::kAvx2, "AVX2 with FMA and F16C"},
    {Feature::kAvxVnni, "AVX2 with FMA and F16C and AVX-VNNI"},
    {Feature::kAvx512Vnni, "AVX-512 F, BW, DQ, VL and VNNI"},
    {Feature::kAvx512Vbmi, "AVX-512 F, BW, DQ, VL, VNNI and VBMI"},
    {Feature::kAmxInt8, "AVX-512 F, BW, DQ, VL, VNNI and VBMI with AMX tiles and int8 products"},
    {Feature::kZen4, "AVX-512 F, BW, DQ, VL, VNNI and VBMI on an AMD processor (Zen 4 or later)"},
    {Feature::kAvx512Bf16, "the dot product of BF16 (AVX512_BF16)"},
    {Feature::kAmxBf16, "AMX products of BF16 and AVX512_BF16"},
    {Feature::kNeon, "Advanced SIMD"},
    {Feature::kDotprod, "the dot-product instructions (DotProd)"},
    {Feature::kI8mm, "the dot-product and 8-bit matrix instructions (DotProd, I8MM)"},
};

#if defined(__x86_64__)

struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(unsigned leaf, unsigned subleaf) noexcept {
  Leaf r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

// The register state the operating system saves; only to be asked when CPUID says OSXSAVE.
std::uint64_t xgetbv0() noexcept {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

// Documentation/arch/x86/xstate.rst: the state components of XTILEDATA for this process and its
// threads.
bool request_tiles() noexcept {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// "AuthenticAMD" in EBX, EDX, ECX of leaf 0.
bool is_amd() noexcept {
  const Leaf zero = cpuid(0, 0);
  return zero.ebx == 0x68747541u && zero.edx == 0x69746e65u && zero.ecx == 0x444d4163u;
}

constexpr bool all(std::uint64_t value, std::uint64_t mask) { return (value & mask) == mask; }

// Bit numbers: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
std::uint32_t detect_x86() noexcept {
  const Leaf one = cpuid(1, 0);
  const bool os_saves = (one.ecx & (1u << 27)) != 0;
  if (!os_saves) return 0;
  const std::uint64_t xcr0 = xgetbv0();
  const Leaf seven = cpuid(7, 0);
  std::uint32_t bits = 0;
  const bool fma_f16c_avx = all(one.ecx, (1u << 12) | (1u << 29) | (1u << 28));
  const bool avx2 = fma_f16c_avx && (seven.ebx & (1u << 5)) != 0 && all(xcr0, 0x6);
  if (avx2) bits |= bit(Feature::kAvx2);
  // Subleaf 1 exists where subleaf 0 says so; elsewhere it may repeat another leaf.
  const Leaf seven_one = seven.eax >= 1 ? cpuid(7, 1) : Leaf{};
  if (avx2 && (seven_one.eax & (1u << 4)) != 0) bits |= bit(Feature::kAvxVnni);
  const std::uint32_t f_dq_bw_vl = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);
  if (avx2 && all(seven.ebx, f_dq_bw_vl) && (seven.ecx & (1u << 11)) != 0 && all(xcr0, 0xe6)) {
    bits |= bit(Feature::kAvx512Vnni);
    const bool vbmi = (seven.ecx & (1u << 1)) != 0;
    if (vbmi) bits |= bit(Feature::kAvx512Vbmi);
    if (vbmi && is_amd()) bits |= bit(Feature::kZen4);
    const bool bf16 = (seven_one.eax & (1u << 5)) != 0;
    if (bf16) bits |= bit(Feature::kAvx512Bf16);
    const bool tile_int8 = all(seven.edx, (1u << 24) | (1u << 25));
    if (vbmi && tile_int8 && all(xcr0, 0x60000) && request_tiles()) {
      bits |= bit(Feature::kAmxInt8);
      if (bf16 && (seven.edx & (1u << 22)) != 0) bits |= bit(Feature::kAmxBf16);
    }
  }
  return bits;
}

#endif

}  // namespace

CpuFeatures detect_cpu() noexcept {
#if defined(__x86_64__)
  return {detect_x86()};
#elif defined(__aarch64__)
  const unsigned long caps = getauxval(AT_HWCAP);
  std::uint32_t bits = 0;
  if ((caps & HWCAP_ASIMD) != 0) bits |= bit(Feature::kNeon);
  const bool dotprod = (caps & HWCAP_ASIMD) != 0 && (caps & HWCAP_ASIMDDP) != 0;
  if (dotprod) bits |= bit(Feature::kDotprod);
  if (dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) bits |= bit(Feature::kI8mm);
  return {bits};
#else
  return {};
#endif
}

std::string why_not(Feature feature, CpuFeatures cpu) {
  std::string missing;
  for (const FeatureName& name : kFeatureNames) {
    const Feature level = static_cast<Feature>(bit(feature) & bit(name.feature));
    if (level == Feature::kNone || cpu.has(level)) continue;
    missing += (missing.empty() ? "" : ", and ") + std::string(name.what);
  }
  return missing.empty() ? "" : "the CPU or its operating system lacks " + missing;
}

void reset_float_mode() noexcept {
#if defined(__x86_64__)
  _mm_setcsr(0x1f80);  // all exceptions masked, nearest even, no FTZ, no DAZ
#elif defined(__aarch64__)
  const std::uint64_t fpcr = 0;
  __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
#endif
}

}  // namespace tern::kernels
