#include "energy/external/wall_log.h"

#include <cstdio>

#include "energy/external/replay_source.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'611'327'914 * kSecond;  // 2021-01-22 15:05:14 UTC

WallLog good(const std::string& text) {
  const Parsed<WallLog> parsed = parse_wall_log(text);
  INFO(parsed.error);
  REQUIRE(parsed);
  return *parsed;
}

std::string refusal(const std::string& text) {
  const Parsed<WallLog> parsed = parse_wall_log(text);
  INFO(text);
  CHECK_FALSE(parsed);
  return parsed.error;
}

std::string line(int second, double power_w) {
  char text[128];
  std::snprintf(text, sizeof text,
                "Time,01-22-2021 15:%02d:%02d.000,Watts,%f,Volts,227.37,Amps,0.2,PF,0.49,Mark,x\n",
                second / 60, second % 60, power_w);
  return text;
}

// One sample a second from 15:00:00 on, 10 W and 1 W more each second.
WallLog ramp(int samples) {
  std::string text;
  for (int i = 0; i < samples; ++i) text += line(i, 10 + i);
  return good(text);
}

constexpr std::int64_t kRampStart = kStart - (5 * 60 + 14) * kSecond;

EnergyDelta between(const WallLog& log, double begin_s, double end_s, double offset_s = 0) {
  return energy_between(log, kRampStart + static_cast<std::int64_t>(begin_s * 1e9),
                        kRampStart + static_cast<std::int64_t>(end_s * 1e9), offset_s);
}

}  // namespace

TEST_CASE("PTDaemon's lines are samples with a time") {
  const WallLog log = good(
      "# of the analyser\n\n"
      "Time,01-22-2021 15:05:14.313,Watts,22.970000,Volts,227.37,Amps,0.20434,PF,0.4944,Mark,a\r\n"
      "Time,01-22-2021 15:05:15.000,ERROR,Bad volts reading nan from WT310\n"
      "Time,01-22-2021 15:05:15.322,Watts,25.65,Volts,227.37\n");
  REQUIRE(log.samples.size() == 2);
  CHECK(log.samples[0].time_ns == kStart + 313'000'000);
  CHECK(log.samples[0].power_w == 22.97);
  CHECK(log.samples[1].time_ns == kStart + 1'322'000'000);
  CHECK(log.interval_s == Approx(1.009));
  CHECK(log.meter_errors == 1);
}

TEST_CASE("a day above twelve says in which order day and month are") {
  const WallLog days =
      good("Time,01-02-2021 00:00:00.0,Watts,1,\nTime,28-12-2021 00:00:00.0,Watts,1,\n");
  CHECK(days.samples[1].time_ns - days.samples[0].time_ns == 330LL * 86400 * kSecond);
  const WallLog months =
      good("Time,01-02-2021 00:00:00.0,Watts,1,\nTime,01-03-2021 00:00:00.0,Watts,1,\n");
  CHECK(months.samples[1].time_ns - months.samples[0].time_ns == 86400 * kSecond);
  CHECK_THAT(refusal("Time,12-28-2021 00:00:00.0,Watts,1\nTime,29-12-2021 00:00:00.0,Watts,1\n"),
             Contains("line 2") && Contains("MM-DD-YYYY"));
  CHECK_THAT(refusal("Time,28-12-2021 00:00:00.0,Watts,1\nTime,12-29-2021 00:00:00.0,Watts,1\n"),
             Contains("line 2") && Contains("DD-MM-YYYY"));
}

TEST_CASE("a table of seconds and watts is a log too") {
  const WallLog log = good("unix_s,watts\n1611327914.5,100\n1611327916.5,200\n");
  CHECK(log.samples.at(0).time_ns == kStart + kSecond / 2);
  CHECK(log.interval_s == Approx(2));
  CHECK_THAT(refusal("unix_s,watts\n1,2\n2,3\nunix_s,watts\n"), Contains("line 4"));
  CHECK_THAT(refusal("unix_s,watts\n1,2,3\n2,3\n"), Contains("line 2") && Contains("watts"));
  CHECK_THAT(refusal("unix_s,watts\n1611327914000,2\n"), Contains("seconds since 1970"));
}

TEST_CASE("a bad line of a wall log is named with what it should be") {
  const std::string first = line(0, 1);
  for (const char* bad :
       {"hello", "Time", "Time,01-22-2021 15:05:14.313,Volts,1", "Time,x,Watts,1",
        "Time,01-22-2021 24:05:14.313,Watts,1", "Time,13-32-2021 15:05:14.313,Watts,1",
        "Time,02-30-2021 15:05:14,Watts,1", "Time,01-22-2021 15:05:61,Watts,1",
        "Time,01-22-2021 15:05:-1,Watts,1", "Time,01-22-2021 15:05:,Watts,1",
        "Time,01-22-2021 15:05:14.313,Watts,", "Time,01-22-2021 15:05:14.313,Watts,-1",
        "Time,01-22-2021 15:05:14.313,Watts,nan", "Time,01-22-2021 15:05:14.313,Watts,1e9",
        "Time,01-22-2021 15:00:00.000,Watts,1", "Time,01-22-2020 15:05:14.313,Watts,1",
        "Time,1-22-2021 15:05:14.313,Watts,1", "Time,01-22-1921 15:05:14.313,Watts,1"}) {
    CAPTURE(bad);
    const std::string why = refusal(first + bad + "\n");
    CHECK_THAT(why, Contains("line 2") && Contains("expected"));
  }
  CHECK_THAT(refusal(""), Contains("got 0"));
  CHECK_THAT(refusal(first), Contains("two samples or more, got 1"));
  CHECK_THAT(refusal(first + first), Contains("clock set back"));
}

TEST_CASE("the energy of a window is the area under the samples") {
  const WallLog log = ramp(61);
  const EnergyDelta whole = between(log, 0, 60);
  INFO(whole.why);
  CHECK(whole.status == Status::kMeasured);
  CHECK(whole.total_joules == Approx(60 * 40));
  CHECK(whole.window_s == Approx(60));
  CHECK(whole.updates == 60);
  CHECK(whole.source == "ptdaemon");
  CHECK(whole.domains.at(0).name == "wall");
  CHECK(whole.domains[0].joules == whole.total_joules);
  // P(t) = 10 + t: between samples as well.
  CHECK(between(log, 10.25, 20.75).total_joules == Approx(10.5 * (10 + 15.5)));
  CHECK(between(log, 10.25, 10.75).total_joules == Approx(0.5 * 20.5));
}

TEST_CASE("an offset between the clocks moves the window") {
  const WallLog log = ramp(61);
  // The log's clock is an hour ahead: 3600 s less is this machine's time.
  CHECK(between(log, 10 - 3600, 20 - 3600, -3600).total_joules == Approx(10 * 25));
  CHECK_THAT(between(log, 10, 20, -3600).why, Contains("after the log's last sample"));
}

TEST_CASE("a window that the samples do not cover is not measured") {
  const WallLog log = ramp(61);
  const EnergyDelta early = between(log, -2.5, 10);
  CHECK(early.status == Status::kNotMeasured);
  CHECK(early.total_joules == 0);
  CHECK_FALSE(early.domains.at(0).measured);
  CHECK(early.why == "the window begins 2.5 s before the log's first sample");
  CHECK(between(log, 10, 61).why == "the window ends 1 s after the log's last sample");
  CHECK_THAT(between(log, -1, 61).why, Contains("begins 1 s") && Contains("and ends 1 s"));
  CHECK_THAT(between(log, 5, 5).why, Contains("empty"));
  CHECK_THAT(between(log, 6, 5).why, Contains("empty"));
}

TEST_CASE("a hole in the log spoils the windows it lies in, and no others") {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    if (i < 20 || i > 25) text += line(i, 50);
  }
  const WallLog log = good(text);
  CHECK_THAT(between(log, 10, 40).why, Contains("no sample for 7 s"));
  CHECK(between(log, 0, 19).status == Status::kMeasured);
  CHECK(between(log, 26, 59).total_joules == Approx(33 * 50));
  const EnergyDelta whole = [&] {
    EnergyMeter meter(std::make_unique<ReplaySource>(to_trace(log)));
    meter.start();
    return meter.stop();
  }();
  CHECK(whole.status == Status::kNotMeasured);
}

TEST_CASE("a log replayed is the window from its first sample to its last") {
  const WallLog log = ramp(61);
  EnergyMeter meter(std::make_unique<ReplaySource>(to_trace(log)));
  meter.start();
  const EnergyDelta delta = meter.stop();
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(between(log, 0, 60).total_joules));
  CHECK(delta.window_s == Approx(60));
}
