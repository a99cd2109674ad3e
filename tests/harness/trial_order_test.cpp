#include "harness/trial_order.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Order = std::vector<std::size_t>;

std::size_t place(const Order& order, std::size_t subject) {
  return static_cast<std::size_t>(std::find(order.begin(), order.end(), subject) - order.begin());
}

TEST_CASE("two subjects run ABBA, one runs alone") {
  for (int round = 0; round < 12; ++round) {
    CHECK(trial_order(2, round) == (round % 2 == 0 ? Order{0, 1} : Order{1, 0}));
    CHECK(trial_order(1, round) == Order{0});
  }
  CHECK(order_text(1) == "ABBA");
  CHECK(order_text(2) == "ABBA");
  CHECK(order_text(3) == "ABC CBA BCA ACB CAB BAC");
  CHECK(order_text(4) == "ABCD DCBA BDAC CADB");
}

TEST_CASE("every subject runs once a round, and equally often in every position of a cycle") {
  for (std::size_t n = 1; n <= 6; ++n) {
    const int cycle = order_cycle(n);
    for (std::size_t i = 0; i < n; ++i) CHECK(trial_order(n, 0)[i] == i);
    std::map<std::pair<std::size_t, std::size_t>, int> times;  // by subject and position
    for (int round = 0; round < cycle; ++round) {
      const Order order = trial_order(n, round);
      REQUIRE(order.size() == n);
      for (std::size_t i = 0; i < n; ++i) ++times[{order[i], i}];
      CHECK(trial_order(n, round + cycle) == order);
    }
    CAPTURE(n);
    CHECK(times.size() == n * n);
    for (const auto& [where, count] : times) CHECK(count * static_cast<int>(n) == cycle);
  }
}

TEST_CASE("every subject runs equally often right behind every other one") {
  for (std::size_t n = 2; n <= 6; ++n) {
    std::map<std::pair<std::size_t, std::size_t>, int> times;  // by neighbours within a round
    for (int round = 0; round < order_cycle(n); ++round) {
      const Order order = trial_order(n, round);
      for (std::size_t i = 1; i < n; ++i) ++times[{order[i - 1], order[i]}];
    }
    CAPTURE(n);
    CHECK(times.size() == n * (n - 1));
    for (const auto& [pair, count] : times) CHECK(count == times.begin()->second);
  }
}

// What a comparison of any two of them needs, however many rounds were run.
TEST_CASE("of any two subjects each comes first as often as the other, after any round") {
  for (std::size_t n = 2; n <= 6; ++n) {
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = a + 1; b < n; ++b) {
        int lead = 0;  // rounds in which a came first, less those in which b did
        for (int round = 0; round < 2 * order_cycle(n); ++round) {
          const Order order = trial_order(n, round);
          lead += place(order, a) < place(order, b) ? 1 : -1;
          CAPTURE(n, a, b, round);
          CHECK(std::abs(lead) <= 1);
        }
        CHECK(lead == 0);
      }
    }
  }
}

}  // namespace
}  // namespace tern::harness
