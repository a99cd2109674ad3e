#include "energy/idle_baseline.h"

#include <cmath>
#include <vector>

#include "tests/support/catch.h"

using namespace tern::energy;

namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

// Two seconds at that power, beginning at that second.
IdleWindow window(bool before, int start_s, double power_w) {
  IdleWindow made;
  made.before = before;
  made.start_unix_ns = start_s * kSecond_ns;
  made.energy.status = Status::kMeasured;
  made.energy.source = "powercap";
  made.energy.coverage = "1 of 1 packages";
  made.energy.window_s = 2;
  made.energy.total_joules = 2 * power_w;
  return made;
}

// 20 W on average before, 22 W after, each 1 W about its mean.
std::vector<IdleWindow> bracket() {
  return {window(true, 0, 19), window(true, 2, 21), window(false, 100, 21), window(false, 102, 23)};
}

}  // namespace

TEST_CASE("idle power is interpolated between the windows before and after") {
  const IdleBaseline idle = idle_baseline(bracket());
  REQUIRE(idle.why_not.empty());
  CHECK(idle.windows == 4);
  CHECK(idle.mean_w == Approx(21));
  CHECK(idle.drift_w.value() == Approx(2));
  // Four windows 1 W from the mean of their side, two degrees of freedom.
  CHECK(idle.stddev_w == Approx(std::sqrt(2.0)));
  CHECK(idle.coverage == "1 of 1 packages");
  CHECK(idle.power_w(2 * kSecond_ns) == Approx(20));  // the middle of those before
  CHECK(idle.power_w(52 * kSecond_ns) == Approx(21));
  CHECK(idle.power_w(27 * kSecond_ns) == Approx(20.5));
  CHECK(idle.power_w(102 * kSecond_ns) == Approx(22));
  CHECK(idle.power_w(0) == Approx(20));
  CHECK(idle.power_w(500 * kSecond_ns) == Approx(22));
}

TEST_CASE("with windows on one side idle power is flat and its drift unknown") {
  const std::vector<IdleWindow> all = bracket();
  const IdleBaseline before = idle_baseline(std::span(all).first(2));
  REQUIRE(before.why_not.empty());
  CHECK_FALSE(before.drift_w.has_value());
  CHECK(before.power_w(52 * kSecond_ns) == Approx(20));
  CHECK(before.after_w == Approx(20));
  const IdleBaseline after = idle_baseline(std::span(all).last(2));
  CHECK(after.power_w(0) == Approx(22));
  CHECK(after.stddev_w == Approx(std::sqrt(2.0)));
}

TEST_CASE("windows that cannot be trusted give no baseline, and say why") {
  CHECK(idle_baseline({}).why_not == "no idle window was measured");
  std::vector<IdleWindow> windows = bracket();
  windows[3].energy.status = Status::kNotMeasured;
  windows[3].energy.why = "package-0 was reset";
  CHECK(idle_baseline(windows).why_not == "an idle window was not measured: package-0 was reset");
  windows = bracket();
  windows[1].energy.status = Status::kAttributed;
  CHECK_THAT(idle_baseline(windows).why_not, Catch::Contains("attributed by powercap"));
  windows = bracket();
  windows[2].energy.coverage = "1 of 2 packages";
  CHECK_THAT(idle_baseline(windows).why_not, Catch::Contains("unequal coverage"));
  windows = {window(true, 0, 20), window(false, 100, 20)};
  CHECK_THAT(idle_baseline(windows).why_not, Catch::Contains("one idle window on each side"));
  windows = bracket();
  windows[0].energy.window_s = 0;
  CHECK_THAT(idle_baseline(windows).why_not, Catch::Contains("no duration"));
}

// 30 s at 200 W over 20 W idle, as in the table of energy.md section 3.4.
TEST_CASE("dynamic energy is the total without idle, with the idle terms in its uncertainty") {
  IdleBaseline idle;
  idle.windows = 1;
  idle.stddev_w = 0.5;
  idle.drift_w = 1;
  const DynamicEnergy dynamic = dynamic_energy(idle, 6000, 600, 30, 180, 0.08);
  CHECK(dynamic.joules == Approx(5400));
  CHECK(dynamic.u_abs_j == Approx(std::sqrt(180.0 * 180 + 15.0 * 15 + 75)));
  CHECK(dynamic.u_cmp_j == Approx(std::sqrt(0.08 * 0.08 + 15.0 * 15 + 75)));
  CHECK_FALSE(dynamic.below_resolution());
}

TEST_CASE("dynamic energy within three of its uncertainties is below resolution") {
  const IdleBaseline steady;
  CHECK(dynamic_energy(steady, 1000, 701, 10, 100, 1).below_resolution());
  CHECK_FALSE(dynamic_energy(steady, 1000, 699, 10, 100, 1).below_resolution());
  CHECK(dynamic_energy(steady, 1000, 1100, 10, 1, 1).below_resolution());
}
