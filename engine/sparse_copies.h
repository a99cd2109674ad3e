#pragma once
// Copies of a matrix with every row, or every column, in one piece. For sparse_ffn.h's files.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/thread_pool.h"

namespace tern::engine {

inline constexpr std::int64_t kCopyRows = 64;

// unpack(row, values) yields one row (cols) of a matrix; pack(values, begin, end) takes rows
// [begin, end) of the copy, (end - begin, cols). Both are called from many threads.
template <class T, class Unpack, class Pack>
void copy_rows(std::int64_t rows, std::int64_t cols, ThreadPool& pool, Unpack&& unpack,
               Pack&& pack) {
  pool.parallel_rows(rows, kCopyRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> values(static_cast<std::size_t>(cols));
    for (std::int64_t row = begin; row < end; ++row) {
      unpack(row, values.data());
      pack(values.data(), row, row + 1);
    }
  });
}

// The same, but pack takes columns [begin, end), (end - begin, rows).
template <class T, class Unpack, class Pack>
void copy_columns(std::int64_t rows, std::int64_t cols, ThreadPool& pool, Unpack&& unpack,
                  Pack&& pack) {
  const auto height = static_cast<std::size_t>(rows);
  const auto width = static_cast<std::size_t>(cols);
  std::vector<T> all(height * width);
  pool.parallel_rows(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) unpack(row, all.data() + row * cols);
  });
  // Some columns at a time, so that a line of the cache serves all of them.
  pool.parallel_rows(cols, kCopyRows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> some(static_cast<std::size_t>(kCopyRows) * height);
    for (std::int64_t first = begin; first < end; first += kCopyRows) {
      const std::int64_t count = std::min(kCopyRows, end - first);
      for (std::size_t row = 0; row < height; ++row) {
        const T* from = all.data() + row * width + first;
        for (std::int64_t c = 0; c < count; ++c) {
          some[static_cast<std::size_t>(c) * height + row] = from[c];
        }
      }
      pack(some.data(), first, first + count);
    }
  });
}

}  // namespace tern::engine
