#include "harness/energy_share.h"

#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using energy::Status;

energy::EnergyDelta window(double joules) {
  energy::EnergyDelta delta;
  delta.status = Status::kMeasured;
  delta.source = "fake";
  delta.coverage = "all of nothing";
  delta.total_joules = joules;
  delta.window_s = 2;
  delta.updates = 4;
  delta.domains = {{"package-0", true, joules, true, ""}, {"psys", true, 3 * joules, false, "it"}};
  delta.u_abs_j = 0.5;
  return delta;
}

TEST_CASE("a question alone keeps what was measured") {
  EnergyShare share;
  share.add(window(7), 2'000'000'000, 1, 1);
  CHECK(share.energy().status == Status::kMeasured);
  CHECK(share.energy().why.empty());
  CHECK(share.energy().total_joules == 7);
  CHECK(share.energy().u_abs_j == 0.5);
  CHECK(share.elapsed_ns() == 2'000'000'000);
  CHECK(share.questions() == 1);
}

TEST_CASE("shares of several windows add up, as attributed") {
  EnergyShare share;
  share.add(window(8), 2'000'000'000, 0.25, 4);
  share.add(window(10), 2'000'000'000, 0.5, 2);
  share.add(window(1), 2'000'000'000, 1, 1);
  const energy::EnergyDelta sum = share.energy();
  CHECK(sum.status == Status::kAttributed);
  CHECK(share.windows() == Status::kMeasured);
  CHECK_THAT(sum.why, Contains("up to 4 questions at once"));
  CHECK(sum.total_joules == 2 + 5 + 1);
  CHECK(sum.domains[0].joules == 8);
  CHECK(sum.domains[1].joules == 24);
  CHECK(sum.window_s == 0.5 + 1 + 2);
  CHECK(!sum.u_abs_j.has_value());
  CHECK(share.elapsed_ns() == 3'500'000'000);
}

TEST_CASE("one window that was not measured leaves the question without joules") {
  energy::EnergyDelta none;
  none.why = "asleep";
  const bool first = GENERATE(true, false);
  EnergyShare share;
  share.add(first ? none : window(8), 1'000'000'000, 0.5, 2);
  share.add(first ? window(8) : none, 1'000'000'000, 0.5, 2);
  share.add(window(8), 1'000'000'000, 0.5, 2);
  CHECK(share.energy().status == Status::kNotMeasured);
  CHECK(share.energy().why == "asleep");
  CHECK(share.windows() == Status::kNotMeasured);
  CHECK(share.elapsed_ns() == 1'500'000'000);
}

TEST_CASE("a domain that one window lacks is not measured in the sum") {
  EnergyShare share;
  share.add(window(8), 1, 0.5, 2);
  energy::EnergyDelta other = window(8);
  other.domains.pop_back();
  share.add(other, 1, 0.5, 2);
  const energy::EnergyDelta sum = share.energy();
  CHECK(sum.domains[0].measured);
  CHECK(!sum.domains[1].measured);
}

TEST_CASE("nothing evaluated, nothing known") {
  CHECK(EnergyShare().energy().status == Status::kNotMeasured);
  CHECK(!EnergyShare().energy().why.empty());
}

}  // namespace
}  // namespace tern::harness
