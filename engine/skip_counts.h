#pragma once
// What decoding read of the feed-forward networks of all layers where zeros are skipped
// (sparse_ffn.h).

#include <cstdint>

namespace tern::engine {

struct SkipCounts {
  std::int64_t rows = 0;     // what complete evaluations would have read: rows of `up`, and as many
                             // columns of `down`
  std::int64_t up_read = 0;  // rows
  std::int64_t down_read = 0;  // columns

  double up_share() const noexcept { return share(up_read); }
  double down_share() const noexcept { return share(down_read); }

 private:
  double share(std::int64_t read) const noexcept {
    return rows == 0 ? 0 : static_cast<double>(read) / static_cast<double>(rows);
  }
};

}  // namespace tern::engine
