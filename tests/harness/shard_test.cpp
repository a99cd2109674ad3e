#include "harness/shard.h"

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("shards are disjoint, cover everything and differ by one at most") {
  for (const std::size_t documents : {0u, 1u, 7u, 12u}) {
    for (const std::size_t count : {1u, 3u, 4u, 20u}) {
      std::size_t sum = 0;
      for (std::size_t index = 1; index <= count; ++index) {
        const Shard shard{index, count};
        std::size_t mine = 0;
        for (std::size_t i = 0; i < documents; ++i) mine += shard.has(i) ? 1 : 0;
        CHECK(mine == shard.size(documents));
        CHECK((mine == documents / count || mine == documents / count + 1));
        sum += mine;
      }
      CHECK(sum == documents);
    }
  }
  CHECK(Shard{}.whole());
  CHECK(Shard{2, 3}.has(4));
}

TEST_CASE("a shard is I/N") {
  CHECK(parse_shard("2/4").index == 2);
  CHECK(parse_shard("2/4").count == 4);
  CHECK(text_of(parse_shard("12/20")) == "12/20");
  for (const char* text : {"", "2", "0/4", "5/4", "1/0", "a/4", "1/4x", "1/", "/4", "-1/4", "1//4",
                           "1/99999999999999999999"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH(parse_shard(text), Contains("--shard: expected I/N"));
  }
}

}  // namespace
}  // namespace tern::harness
