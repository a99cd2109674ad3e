#pragma once
// Python's random.Random, as far as few-shot examples are drawn with it: the same seed must draw
// the same examples, or prompts and with them scores differ from everybody else's.

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace tern::evals {

class PythonRandom {
 public:
  explicit PythonRandom(std::uint32_t seed);

  // getrandbits, 1 <= bits <= 32.
  std::uint32_t bits(int bits);
  // A number below n, n >= 1.
  std::uint32_t below(std::uint32_t n);
  // sample(range(population), count): indices in the order they are drawn. count <= population.
  std::vector<std::size_t> sample(std::uint32_t population, std::uint32_t count);

 private:
  std::mt19937 engine_;
};

}  // namespace tern::evals
