#include "energy/ticks.h"

#include <cerrno>
#include <cmath>

#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using tern::tests::rapl_domain;
using tern::tests::rapl_info;
using tern::tests::SimulatedRapl;

namespace {

SourceInfo two() {
  return rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0),
                    rapl_domain("package-1", DomainKind::kPackage, 1)});
}

}  // namespace

TEST_CASE("the pace of a counter is measured from its moves") {
  for (const double tick_s : {0.9e-3, 1e-3, 8e-3}) {
    INFO(tick_s);
    SimulatedRapl source(two(), {{.tick_s = tick_s}, {}});
    const auto measured_s = measure_tick_s(source, 0, 1e-3 * std::ceil(tick_s / 1e-3));
    REQUIRE(measured_s.has_value());
    CHECK(*measured_s == Approx(tick_s).margin(4e-6));
  }
}

TEST_CASE("a counter without steps, without life or without hurry has no pace") {
  SimulatedRapl continuous(two(), {{.tick_s = 1e-6}, {}});
  CHECK_FALSE(measure_tick_s(continuous, 0, 1e-3).has_value());
  SimulatedRapl still(two(), {{.power_w = 0}, {}});
  CHECK_FALSE(measure_tick_s(still, 0, 1e-3).has_value());
  SimulatedRapl slow(two(), {{.tick_s = 0.02}, {}});
  CHECK_FALSE(measure_tick_s(slow, 0, 0.02).has_value());
  SimulatedRapl failing(two(), {{.error = EIO}, {}});
  CHECK_FALSE(measure_tick_s(failing, 0, 1e-3).has_value());
}

TEST_CASE("waiting ends right after the moves, each domain at its own") {
  SimulatedRapl source(two(), {{.phase_s = 0.1e-3}, {.phase_s = 0.6e-3}});
  const std::size_t both[] = {0, 1};
  std::vector<Reading> readings(2);
  const auto sharpness_s = wait_for_moves(source, both, 1e-3, readings);
  REQUIRE(sharpness_s.has_value());
  CHECK(*sharpness_s <= 4.1e-6);
  const double phases_s[] = {0.1e-3, 0.6e-3};
  for (const std::size_t i : both) {
    const double since_s =
        std::remainder(static_cast<double>(readings[i].time_ns) * 1e-9 - phases_s[i], 1e-3);
    INFO(i << ": " << since_s);
    CHECK(since_s > -1e-9);
    CHECK(since_s <= 4.1e-6);
  }
}

TEST_CASE("a move that happened during an interruption dates nothing") {
  SimulatedRapl source(two(), {{}, {}});
  int interruptions = 0;
  source.on_look = [&](int look) {
    if (look % 100 != 0 || interruptions == 5) return;
    ++interruptions;
    source.add(1.3e-3);
  };
  const std::size_t first[] = {0};
  std::vector<Reading> readings(2);
  const auto sharpness_s = wait_for_moves(source, first, 1e-3, readings);
  REQUIRE(sharpness_s.has_value());
  CHECK(interruptions == 5);
  CHECK(*sharpness_s <= 2.1e-6);
}

TEST_CASE("a counter that does not move is not waited for beyond twenty updates") {
  SimulatedRapl source(two(), {{}, {.power_w = 0}});
  const std::size_t both[] = {0, 1};
  std::vector<Reading> readings(2);
  CHECK_FALSE(wait_for_moves(source, both, 1e-3, readings).has_value());
  CHECK(source.looks() < 15'000);
  SimulatedRapl failing(two(), {{}, {.error = ENODEV}});
  CHECK_FALSE(wait_for_moves(failing, both, 1e-3, readings).has_value());
  CHECK(readings[1].error == ENODEV);
}
