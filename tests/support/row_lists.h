#pragma once
// Lists of rows for tests of kernels that take some rows of a matrix.

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace tern::kernels {

// `count` different random rows, ascending.
inline std::vector<std::int32_t> random_list(std::int64_t rows, std::int64_t count) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  std::shuffle(all.begin(), all.end(), std::mt19937(static_cast<std::uint32_t>(count)));
  all.resize(static_cast<std::size_t>(count));
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace tern::kernels
