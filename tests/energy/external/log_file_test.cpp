#include "energy/external/log_file.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::FakeSysfs;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStart = 1'611'327'900 * kSecond;  // 2021-01-22 15:05:00 UTC

// Seconds after the start of a machine whose two clocks agree.
Moment at(double seconds) {
  const auto passed_ns = static_cast<std::int64_t>(seconds * 1e9);
  return {7 * kSecond + passed_ns, kStart + passed_ns, 0};
}

// 40 W, a line a second.
std::string lines(int first, int last, double power_w = 40) {
  std::string text;
  for (int second = first; second < last; ++second) {
    char line[128];
    std::snprintf(line, sizeof line, "Time,01-22-2021 15:%02d:%02d.000,Watts,%f,Volts,230\n",
                  5 + second / 60, second % 60, power_w);
    text += line;
  }
  return text;
}

// A log and the meter on it; each look that finds nothing new runs `idle`.
struct Log {
  FakeSysfs folder;
  int pauses = 0;
  std::function<void()> idle = [] {};
  Probe probe;

  explicit Log(const std::string& text) { folder.write("log", text); }
  std::string path() const { return folder.path("log").string(); }
  void append(const std::string& text) const {
    std::ofstream(path(), std::ios::app | std::ios::binary) << text;
  }
  MeterLog& open(double offset_s = 0, MeterKind kind = MeterKind::kPtdaemon) {
    MeterSpec spec;
    spec.kind = kind;
    spec.file = path();
    spec.clock_offset_s = offset_s;
    probe = open_log_file(spec, {.looks = 3, .pause = [this] {
                                   ++pauses;
                                   idle();
                                 }});
    INFO(probe.why_not);
    REQUIRE(probe.source);
    return dynamic_cast<MeterLog&>(*probe.source);
  }
};

void check_refused(const EnergyDelta& delta) {
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_FALSE(delta.why.empty());
  CHECK(delta.total_joules == 0);
  for (const DomainEnergy& domain : delta.domains) CHECK_FALSE(domain.measured);
}

}  // namespace

TEST_CASE("the window of a run is cut out of a wall meter's log") {
  Log log(lines(0, 60));
  const EnergyDelta delta = log.open().between(at(10.5), at(30));
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(40 * 19.5));
  CHECK(delta.window_s == Approx(19.5));
  CHECK(delta.edge_s == Approx(1));
  CHECK(delta.source == "external ptdaemon");
  CHECK(log.probe.source->info().domains.at(0).update_s == Approx(1));
  CHECK_THAT(log.probe.source->info().detail, Contains("log, ") && Contains("+0 s added"));
  CHECK(log.pauses == 0);
}

TEST_CASE("the log's clock is set right by the stated offset") {
  Log log(lines(0, 60));
  CHECK(log.open(5).between(at(6), at(64)).total_joules == Approx(40 * 58));
  CHECK_THAT(log.probe.source->info().detail, Contains("+5 s added"));
  check_refused(log.open(-5).between(at(6), at(56)));
  check_refused(log.open(5).between(at(4), at(30)));
}

TEST_CASE("a log that lags is waited for, and not for ever") {
  Log log(lines(0, 20));
  log.idle = [&] {
    if (log.pauses == 3) log.append(lines(20, 60));
  };
  MeterLog& meter = log.open();
  CHECK(meter.between(at(10), at(30)).total_joules == Approx(800));
  CHECK(log.pauses == 3);
  log.pauses = 10;
  const EnergyDelta late = meter.between(at(50), at(70));
  check_refused(late);
  CHECK_THAT(late.why, Contains("log: the window ends 11 s after the log's last sample") &&
                           Contains("and the log did not go on in 0.3 s"));
  CHECK(log.pauses == 13);
  // Nobody waits for the same file again, but for one that has grown.
  check_refused(meter.between(at(71), at(80)));
  CHECK(log.pauses == 13);
  log.append(lines(60, 70));
  check_refused(meter.between(at(71), at(80)));
  CHECK(log.pauses == 16);
}

TEST_CASE("a line that is being written is neither garbage nor a sample") {
  const std::string whole = lines(0, 31);
  Log log(whole.substr(0, whole.size() - 12));
  log.idle = [&] { log.folder.write("log", whole); };
  CHECK(log.open().between(at(10), at(30)).total_joules == Approx(800));
  CHECK(log.pauses == 1);
}

TEST_CASE("a log that goes wrong while it grows is a reason, at once") {
  for (const std::string& bad :
       {std::string("hello\n"), std::string("\0\1\2\n", 4), lines(5, 6), lines(30, 31, -7.0)}) {
    Log log(lines(0, 20));
    MeterLog& meter = log.open();
    log.append(bad);
    const EnergyDelta delta = meter.between(at(5), at(25));
    check_refused(delta);
    CHECK_THAT(delta.why, Contains("log: line 21: expected"));
    CHECK(log.pauses == 0);
  }
  Log holed(lines(0, 20) + lines(30, 60));
  CHECK_THAT(holed.open().between(at(5), at(50)).why, Contains("no sample for 11 s"));
  CHECK(holed.open().between(at(31), at(50)).status == Status::kMeasured);

  Log shortened(lines(0, 20));
  MeterLog& meter = shortened.open();
  shortened.folder.write("log", lines(40, 60));
  CHECK_THAT(meter.between(at(5), at(50)).why, Contains("begins 35 s before"));
  std::filesystem::remove(shortened.path());
  CHECK_THAT(meter.between(at(5), at(50)).why, Contains("No such file"));
}

TEST_CASE("a clock that was set, or a machine that slept, spoils the window") {
  Log log(lines(0, 60));
  MeterLog& meter = log.open();
  Moment set = at(30);
  set.unix_ns += kSecond / 2;
  check_refused(meter.between(at(10), set));
  CHECK(meter.between(at(10), set).why ==
        "the wall clock was set forward by 0.5 s within the window");
  set.unix_ns -= kSecond;
  CHECK_THAT(meter.between(at(10), set).why, Contains("set back by 0.5 s"));
  Moment woken = at(30);
  woken.asleep_ns = 9 * kSecond;
  CHECK_THAT(meter.between(at(10), woken).why, Contains("suspended for 9 s"));
  // What the kernel may slew is no step.
  Moment slewed = at(30);
  slewed.unix_ns += 9'000'000;
  CHECK(meter.between(at(10), slewed).status == Status::kMeasured);
}

TEST_CASE("a window between two samples has none of its own") {
  Log log(lines(0, 60));
  const EnergyDelta delta = log.open().between(at(10.25), at(10.75));
  check_refused(delta);
  CHECK_THAT(delta.why, Contains("0.5 s is shorter than the 1 s between two samples"));
}

TEST_CASE("a trace is merged by the clock that nobody sets") {
  std::string text = "t_ns,domain,raw,errno\n";
  for (int i = 0; i < 60; ++i) {
    text += std::to_string((7 + i) * kSecond) + ",wall," +
            std::to_string(std::int64_t{i} * 40'000'000) + ",0\n";
  }
  Log log(text + "69000000");
  MeterLog& meter = log.open(0, MeterKind::kTrace);
  const EnergyDelta delta = meter.between(at(10.5), at(30));
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(40 * 19.5));
  CHECK(delta.source == "external trace");
  CHECK_THAT(log.probe.source->info().detail, Contains("CLOCK_MONOTONIC_RAW"));
  CHECK(log.probe.source->info().domains.at(0).update_s == Approx(1));
  Moment set = at(30);
  set.unix_ns += 3600 * kSecond;
  CHECK(meter.between(at(10.5), set).total_joules == Approx(40 * 19.5));
  CHECK_THAT(meter.between(at(10.5), at(70)).why, Contains("ends 11 s after"));
}

TEST_CASE("a log may have just been begun; what is none is refused at once") {
  for (const MeterKind kind : {MeterKind::kPtdaemon, MeterKind::kTrace}) {
    Log log("");
    MeterLog& meter = log.open(0, kind);
    const EnergyDelta delta = meter.between(at(1), at(5));
    check_refused(delta);
    CHECK_THAT(delta.why, Contains("no sample yet"));
    MeterSpec spec;
    spec.kind = kind;
    spec.file = log.folder.path("none").string();
    CHECK_THAT(open_log_file(spec).why_not, Contains("none: No such file"));
    spec.file = log.folder.root();
    CHECK_THAT(open_log_file(spec).why_not, Contains("plain file"));
    log.folder.write("log", "certainly no log\n");
    spec.file = log.path();
    CHECK_THAT(open_log_file(spec).why_not, Contains("line 1: expected"));
  }
}
