#include "evals/python_random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace tern::evals {

namespace {

constexpr std::uint32_t kStateSize = 624;
using State = std::array<std::uint32_t, kStateSize>;

// The Mersenne Twister's initialisation by an array of keys, here of one. Python seeds so for every
// integer; std::mt19937(seed) is the other initialisation.
State initial_state(std::uint32_t key) {
  State state{};
  state[0] = 19650218;
  for (std::uint32_t i = 1; i < kStateSize; ++i)
    state[i] = 1812433253U * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  std::uint32_t i = 1;
  const auto step = [&](std::uint32_t multiplier) {
    state[i] ^= (state[i - 1] ^ (state[i - 1] >> 30)) * multiplier;
  };
  const auto advance = [&] {
    if (++i < kStateSize) return;
    state[0] = state[kStateSize - 1];
    i = 1;
  };
  for (std::uint32_t n = 0; n < kStateSize; ++n) {
    step(1664525U);
    state[i] += key;  // plus the key's index, 0
    advance();
  }
  for (std::uint32_t n = 1; n < kStateSize; ++n) {
    step(1566083941U);
    state[i] -= i;
    advance();
  }
  state[0] = 0x80000000U;
  return state;
}

// Hands std::mt19937 a ready state as a seed sequence.
struct ReadyState {
  using result_type = std::uint32_t;
  State state;

  template <typename Iterator>
  void generate(Iterator first, Iterator last) const {
    std::copy_n(state.begin(), last - first, first);
  }
};

std::mt19937 seeded(std::uint32_t seed) {
  ReadyState ready{initial_state(seed)};
  return std::mt19937(ready);
}

// Python remembers what was drawn in a set where that is smaller than a copy of the population. The
// two ways draw different samples, so the threshold matters.
bool fits_in_set(std::uint32_t population, std::uint32_t count) {
  std::uint64_t set_size = 21;
  if (count > 5) {
    std::uint64_t table = 4;
    while (table < std::uint64_t{3} * count) table *= 4;
    set_size += table;
  }
  return population > set_size;
}

}  // namespace

PythonRandom::PythonRandom(std::uint32_t seed) : engine_(seeded(seed)) {}

std::uint32_t PythonRandom::bits(int bits) {
  return static_cast<std::uint32_t>(engine_()) >> (32 - bits);
}

std::uint32_t PythonRandom::below(std::uint32_t n) {
  std::uint32_t drawn;
  do {
    drawn = bits(std::bit_width(n));
  } while (drawn >= n);
  return drawn;
}

std::vector<std::size_t> PythonRandom::sample(std::uint32_t population, std::uint32_t count) {
  std::vector<std::size_t> drawn;
  if (fits_in_set(population, count)) {
    while (drawn.size() < count) {
      const std::size_t index = below(population);
      if (std::find(drawn.begin(), drawn.end(), index) == drawn.end()) drawn.push_back(index);
    }
    return drawn;
  }
  std::vector<std::size_t> pool(population);
  std::iota(pool.begin(), pool.end(), std::size_t{0});
  for (std::uint32_t left = population; drawn.size() < count; --left) {
    const std::size_t index = below(left);
    drawn.push_back(pool[index]);
    pool[index] = pool[left - 1];
  }
  return drawn;
}

}  // namespace tern::evals
