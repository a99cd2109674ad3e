#include "harness/shard.h"

#include <fmt/format.h>

#include <charconv>

#include "harness/error.h"

namespace tern::harness {

Shard parse_shard(const std::string& text) {
  Shard shard;
  const char* const end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  const bool slash = index.ec == std::errc() && index.ptr != end && *index.ptr == '/';
  const auto count =
      slash ? std::from_chars(index.ptr + 1, end, shard.count) : std::from_chars_result{end, {}};
  if (!slash || count.ec != std::errc() || count.ptr != end || shard.index < 1 ||
      shard.index > shard.count) {
    throw Error(fmt::format("--shard: expected I/N with 1 <= I <= N, got \"{}\"", text));
  }
  return shard;
}

std::string text_of(const Shard& shard) { return fmt::format("{}/{}", shard.index, shard.count); }

}  // namespace tern::harness
