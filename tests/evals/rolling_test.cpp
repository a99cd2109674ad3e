#include "evals/rolling.h"

#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using evals::rolling_windows;
using Windows = std::vector<evals::RollingWindow>;

// Expected windows were made by lm-evaluation-harness's own functions.
TEST_CASE("windows predict every token once, behind as many as fit") {
  CHECK(rolling_windows(0, 3).empty());
  CHECK(rolling_windows(1, 3) == Windows{{0, 0, 1}});
  CHECK(rolling_windows(3, 3) == Windows{{0, 0, 3}});
  CHECK(rolling_windows(5, 3) == Windows{{0, 0, 3}, {1, 3, 5}});
  CHECK(rolling_windows(9, 3) == Windows{{0, 0, 3}, {2, 3, 6}, {5, 6, 9}});
  CHECK(rolling_windows(11, 3) == Windows{{0, 0, 3}, {2, 3, 6}, {5, 6, 9}, {7, 9, 11}});
  CHECK(rolling_windows(3, 1) == Windows{{0, 0, 1}, {0, 1, 2}, {1, 2, 3}});
  CHECK(rolling_windows(9, 4) == Windows{{0, 0, 4}, {3, 4, 8}, {4, 8, 9}});
}

}  // namespace
}  // namespace tern::tests
