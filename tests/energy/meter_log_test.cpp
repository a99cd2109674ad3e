#include "energy/meter_log.h"

#include <time.h>

#include <vector>

#include "energy/stamp.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Answers with what it was asked for.
class AskedLog final : public MeterLog {
 public:
  explicit AskedLog(std::vector<Moment>& asked) : asked_(asked) {
    info_.name = "asked";
    info_.coverage = "nothing";
    info_.domains.emplace_back();
  }
  const SourceInfo& info() const noexcept override { return info_; }
  EnergyDelta between(const Moment& begin, const Moment& end) override {
    asked_.push_back(begin);
    asked_.push_back(end);
    EnergyDelta delta;
    delta.source = info_.name;
    delta.status = Status::kMeasured;
    delta.total_joules = 12;
    return delta;
  }

 private:
  std::vector<Moment>& asked_;
  SourceInfo info_;
};

}  // namespace

TEST_CASE("a meter on a log asks it for the windows between start and stop") {
  std::vector<Moment> asked;
  EnergyMeter meter(std::make_unique<AskedLog>(asked));
  REQUIRE(meter.usable());
  CHECK(meter.info()->name == "asked");
  CHECK_THAT(meter.stop().why, Contains("never started"));
  CHECK(asked.empty());
  std::int64_t last_ns = clock_ns(CLOCK_MONOTONIC_RAW);
  for (int window = 0; window < 2; ++window) {
    meter.start();
    const std::int64_t inside_ns = clock_ns(CLOCK_MONOTONIC_RAW);
    CHECK(meter.stop().total_joules == 12);
    REQUIRE(asked.size() == 2);
    CHECK(last_ns <= asked[0].raw_ns);
    CHECK(asked[0].raw_ns <= inside_ns);
    CHECK(inside_ns <= asked[1].raw_ns);
    CHECK(asked[0].unix_ns > 1'600'000'000 * kSecond);
    CHECK(asked[0].asleep_ns >= 0);
    last_ns = asked[1].raw_ns;
    asked.clear();
    CHECK_THAT(meter.stop().why, Contains("never started"));
  }
}

TEST_CASE("clocks that went on alike leave no doubt, a step or a sleep does") {
  const Moment begin{5 * kSecond, 1'700'000'000 * kSecond, kSecond};
  Moment end{1005 * kSecond, 1'700'001'000 * kSecond, kSecond};
  CHECK(wall_clock_set_between(begin, end).empty());
  CHECK(suspended_between(begin, end).empty());
  end.unix_ns += kSecond / 2;  // 500 ppm of the window
  CHECK(wall_clock_set_between(begin, end).empty());
  end.unix_ns += kSecond / 50;
  CHECK_THAT(wall_clock_set_between(begin, end), Contains("set forward by 0.52 s"));
  end.unix_ns -= 2 * kSecond;
  CHECK_THAT(wall_clock_set_between(begin, end), Contains("set back by 1.48 s"));
  end.asleep_ns += 60 * kSecond;
  CHECK_THAT(suspended_between(begin, end), Contains("suspended for 60 s"));
}
