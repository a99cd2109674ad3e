#include "energy/external/trace.h"

#include <cerrno>
#include <limits>
#include <random>

#include "energy/energy_meter.h"
#include "energy/external/replay_source.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

Trace good(const std::string& text) {
  const Parsed<Trace> parsed = parse_trace(text);
  INFO(parsed.error);
  REQUIRE(parsed);
  return *parsed;
}

std::string refusal(const std::string& text) {
  const Parsed<Trace> parsed = parse_trace(text);
  INFO(text);
  CHECK_FALSE(parsed);
  return parsed.error;
}

EnergyDelta window(std::unique_ptr<EnergySource> source) {
  EnergyMeter meter(std::move(source));
  meter.start();
  return meter.stop();
}

EnergyDelta replayed(const Trace& trace) { return window(std::make_unique<ReplaySource>(trace)); }

// Every field to the last bit.
void check_equal(const EnergyDelta& a, const EnergyDelta& b) {
  CHECK(a.status == b.status);
  CHECK(a.why == b.why);
  CHECK(a.source == b.source);
  CHECK(a.coverage == b.coverage);
  CHECK(a.total_joules == b.total_joules);
  CHECK(a.window_s == b.window_s);
  CHECK(a.updates == b.updates);
  REQUIRE(a.domains.size() == b.domains.size());
  for (std::size_t i = 0; i < a.domains.size(); ++i) {
    CHECK(a.domains[i].name == b.domains[i].name);
    CHECK(a.domains[i].measured == b.domains[i].measured);
    CHECK(a.domains[i].joules == b.domains[i].joules);
    CHECK(a.domains[i].included == b.domains[i].included);
    CHECK(a.domains[i].why == b.domains[i].why);
  }
}

Trace two_sockets(int groups) {
  Trace trace;
  trace.info = {"perf", "power, \"quoted\"", {}, "2 of 2 packages", true};
  for (const char* name : {"package-0", "package-1"}) {
    Domain domain;
    domain.name = name;
    domain.kind = DomainKind::kPackage;
    domain.joules_per_count = 0.1 + 0.2;  // no short decimal
    domain.modulus = 1 << 20;
    domain.max_power_w = 1e6;
    domain.max_silence_s = std::numeric_limits<double>::infinity();
    domain.included = true;
    trace.info.domains.push_back(domain);
  }
  std::mt19937 random(5);
  std::uint64_t counts[] = {1'000'000, 17};
  for (int i = 0; i < groups; ++i) {
    for (std::uint64_t& count : counts) {
      count += random() % 100'000;
      trace.readings.push_back({count % (1 << 20), 1'000'000'000 + i * 100'000'003LL, 0});
    }
  }
  return trace;
}

}  // namespace

TEST_CASE("a plain trace is judged by the names of its domains") {
  const Trace trace = good(
      "t_ns,domain,raw,errno\n"
      "100,package-0,5000000,0\n110,package-0/dram,7,0\n120,psys,9,0\n130,x,y,1,0\n"
      "1000000100,package-0,25000000,0\n1000000110,package-0/dram,1000007,0\n"
      "1000000120,psys,,19\n1000000130,x,y,2,0\r\n");
  REQUIRE(trace.info.domains.size() == 4);
  CHECK(trace.info.domains[3].name == "x,y");
  CHECK_FALSE(trace.info.domains[3].included);
  const EnergyDelta delta = replayed(trace);
  INFO(delta.why);
  CHECK(delta.status == Status::kMeasured);
  CHECK(delta.total_joules == Approx(21.0));
  CHECK(delta.window_s == Approx(1.0));
  CHECK(delta.updates == 2);
  CHECK_FALSE(delta.domains[2].measured);
  CHECK_THAT(delta.domains[2].why, Contains("contains the packages") && Contains("No such device"));
}

TEST_CASE("the wall holds the packages") {
  const Trace trace = good("1,package-0,1,0\n1,wall,1,0\n");
  CHECK_FALSE(trace.info.domains[0].included);
  CHECK_THAT(trace.info.domains[0].why_excluded, Contains("wall"));
  CHECK(trace.info.domains[1].included);
}

TEST_CASE("a trace is the same after writing and reading") {
  const Trace trace = two_sockets(50);
  const std::string text = to_text(trace);
  const Trace again = good(text);
  CHECK(to_text(again) == text);
  CHECK(again.info.attributed);
  CHECK(again.info.domains[0].joules_per_count == 0.1 + 0.2);
  CHECK(again.info.domains[0].max_silence_s == std::numeric_limits<double>::infinity());
  check_equal(replayed(trace), replayed(again));
}

TEST_CASE("a replay gives the same window each time, wraps included") {
  const Trace trace = two_sockets(500);
  const EnergyDelta first = replayed(trace);
  INFO(first.why);
  CHECK(first.status == Status::kAttributed);
  CHECK(first.updates == 500);
  CHECK(first.total_joules > 2.0 * (1 << 20) * 0.3);
  for (int i = 0; i < 20; ++i) check_equal(replayed(trace), first);
}

TEST_CASE("what a meter read on the day, a replay reads again") {
  for (const bool failing : {false, true}) {
    auto trace = std::make_shared<Trace>();
    Trace day = two_sockets(100);
    if (failing) day.readings[120].error = EIO;
    const EnergyDelta live =
        window(std::make_unique<RecordingSource>(std::make_unique<ReplaySource>(day), trace));
    CHECK((live.status == Status::kNotMeasured) == failing);
    CHECK(trace->readings.size() == day.readings.size());
    EnergyDelta again = replayed(good(to_text(*trace)));
    check_equal(again, live);
  }
}

TEST_CASE("a trace is one window; the next has nothing left") {
  EnergyMeter meter(std::make_unique<ReplaySource>(two_sockets(10)));
  meter.start();
  CHECK(meter.stop().status == Status::kAttributed);
  meter.start();
  const EnergyDelta empty = meter.stop();
  CHECK(empty.status == Status::kNotMeasured);
  CHECK_THAT(empty.why, Contains("have come to their end"));
  check_equal(replayed(good("1,package-0,1,0\n")), replayed(good("1,package-0,1,0\n")));
  CHECK(replayed(good("1,package-0,1,0\n")).status == Status::kNotMeasured);
}

TEST_CASE("a fall in a plain trace is refused, since it says of no wrap") {
  const EnergyDelta delta = replayed(good("1,package-0,100,0\n1000000000,package-0,99,0\n"));
  CHECK(delta.status == Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("went back"));
}

TEST_CASE("a bad line of a trace is named with what it should be") {
  CHECK_THAT(refusal(""), Contains("got none"));
  CHECK_THAT(refusal("# only a comment\n\n"), Contains("got none"));
  CHECK_THAT(refusal("t_ns,domain,raw,errno\n"), Contains("got none"));
  CHECK_THAT(refusal("1,package-0,1,0\nhello\n"),
             Contains("line 2") && Contains("t_ns,domain,raw,errno") && Contains("\"hello\""));
  for (const char* line :
       {",,,", "1,2", "x,p,1,0", "1,p,1,x", "1,p,-1,0", "1,p,1.5,0", "1,p,,0", "1,,1,0", "-1,p,1,0",
        "1,p,1,9999", "1,p,1,0,", "1,p\x01,1,0", " 1,p,1,0", "9223372036854775808,p,1,0",
        "1,p,18446744073709551616,0", "1,\xc3\xa9,1,0", "t_ns,domain,raw,errno"}) {
    CAPTURE(line);
    CHECK_THAT(refusal(std::string("1,p,1,0\n2,p,1,0\n\n") + line + "\n"), Contains("line 4"));
  }
  CHECK_THAT(refusal("1,a,1,0\n1,b,1,0\n2,b,1,0\n"),
             Contains("line 3") && Contains("\"a\"") && Contains("\"b\""));
  CHECK_THAT(refusal("1,a,1,0\n1,b,1,0\n2,a,1,0\n2,c,1,0\n"),
             Contains("line 4") && Contains("expected a reading of \"b\", got \"c\""));
  CHECK_THAT(refusal("1,a,1,0\n1,b,1,0\n2,a,1,0\n"), Contains("line 3") && Contains("got the end"));
}

TEST_CASE("a description that does not describe is refused") {
  const std::string whole = to_text(two_sockets(2));
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"\"package\"", "\"pckage\""},
                                                        {"1048576", "-5"},
                                                        {"\"attributed\":true", "\"attributed\":1"},
                                                        {"1000000.0", "0"},
                                                        {"0.30000000000000004", "null"},
                                                        {"\"name\":\"package-0\"", "\"name\":\"\""},
                                                        {"\"source\"", "\"sauce\""},
                                                        {"{\"attributed", "{{"}}) {
    std::string text = whole;
    const std::size_t at = text.find(from);
    INFO(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    CHECK_THAT(refusal(text), Contains("line 1: expected the description of a meter"));
  }
}
