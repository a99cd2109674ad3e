#pragma once
// Inputs and guarded buffers for the tests that hold kernels rows against scalar bit for bit.

#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace tern::kernels {

// Lengths around every boundary of 16, 32 and 64 lanes, and some real ones.
inline const std::vector<std::int64_t> kLengths = {
    1,  2,  3,  7,   8,   9,   15,  16,  17,  31,  32,  33,   47,   48,   63,   64,
    65, 80, 96, 100, 127, 128, 129, 255, 256, 257, 640, 1000, 1023, 2560, 2561, 6912};

enum class Kind { kNormal, kWide, kTiny, kZeros, kConstant };
inline constexpr Kind kKinds[] = {Kind::kNormal, Kind::kWide, Kind::kTiny, Kind::kZeros,
                                  Kind::kConstant};

// kWide: signs and exponents from 2^-40 to 2^40; kTiny: subnormals; kZeros: zeros of both signs and
// a few other values; the standard engine is specified to the bit, its distributions are not and
// stay unused.
inline std::vector<float> floats(std::int64_t n, Kind kind, std::uint32_t seed) {
  std::mt19937 engine(seed * 2654435761u + static_cast<std::uint32_t>(n));
  const auto random = [&engine] { return static_cast<std::uint32_t>(engine()); };
  std::vector<float> out(static_cast<std::size_t>(n));
  for (float& x : out) {
    const std::uint32_t bits = random();
    const std::uint32_t sign = bits & 0x80000000u;
    const float unit = static_cast<float>(bits & 0xffffffu) / 0x1p23f - 1.0f;
    switch (kind) {
      case Kind::kNormal:
        x = unit * 3.0f;
        break;
      case Kind::kWide:
        x = std::bit_cast<float>(sign | ((87 + bits % 81) << 23) | (random() & 0x7fffffu));
        break;
      case Kind::kTiny:
        x = std::bit_cast<float>(sign | (random() & 0x7fffffu));
        break;
      case Kind::kZeros:
        x = bits % 8 == 0 ? unit : std::bit_cast<float>(sign);
        break;
      case Kind::kConstant:
        x = -1.5f;
        break;
    }
  }
  return out;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

// n values between canaries that a kernel must leave alone.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t n)
      : bytes_((2 * kGuard + static_cast<std::size_t>(n)) * sizeof(T)) {
    std::memset(bytes_.data(), 0xa5, bytes_.size());
  }
  explicit Guarded(const std::vector<T>& values)
      : Guarded(static_cast<std::int64_t>(values.size())) {
    std::memcpy(data(), values.data(), values.size() * sizeof(T));
  }

  T* data() { return reinterpret_cast<T*>(bytes_.data()) + kGuard; }
  std::vector<T> values() { return std::vector<T>(data(), data() + size()); }
  bool intact() const {
    for (std::size_t i = 0; i < kGuard * sizeof(T); ++i) {
      if (bytes_[i] != 0xa5 || bytes_[bytes_.size() - 1 - i] != 0xa5) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 61;  // odd: data is aligned for T and no more
  std::size_t size() const { return bytes_.size() / sizeof(T) - 2 * kGuard; }
  std::vector<unsigned char> bytes_;
};

}  // namespace tern::kernels
