#include "harness/meter_option.h"

#include "harness/error.h"
#include "tests/support/catch.h"
#include "tests/support/fake_sysfs.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("--meter names a meter or a log, or is refused") {
  CHECK_THROWS_WITH(open_run_meter("kettle:http://127.0.0.1"), Contains("--meter: "));
  CHECK_THROWS_WITH(open_run_meter("ptdaemon:"), Contains("--meter: "));
}

TEST_CASE(
    "a log that another program writes is the meter of a run; one that is not there is none") {
  const tests::FakeSysfs folder;
  folder.write("log", "unix_s,watts\n1611327914.5,100\n1611327916.5,200\n");
  const std::string file = folder.path("log").string();
  const auto meter = open_run_meter("ptdaemon:" + file + "@-2.5");
  REQUIRE(meter->usable());
  CHECK(meter->info()->name == "external ptdaemon");
  CHECK_THAT(meter->info()->detail, Contains(file) && Contains("-2.5 s added"));
  for (const char* kind : {"trace:", "ptdaemon:"}) {
    const auto missing = open_run_meter(kind + folder.path("none").string());
    CHECK_FALSE(missing->usable());
    missing->start();
    CHECK_THAT(missing->stop().why, Contains("No such file"));
  }
  const auto garbage = open_run_meter("trace:" + file);
  garbage->start();
  CHECK_THAT(garbage->stop().why, Contains("trace: " + file + ": line 1: expected t_ns,domain"));
}

TEST_CASE("a meter that was named and does not answer is not replaced by another") {
  // Nothing listens on port 9 of loopback here; if something does, it is no plug.
  const auto meter = open_run_meter("shelly:http://127.0.0.1:9");
  REQUIRE_FALSE(meter->usable());
  meter->start();
  const energy::EnergyDelta delta = meter->stop();
  CHECK(delta.status == energy::Status::kNotMeasured);
  CHECK_THAT(delta.why, Contains("shelly") && !Contains("powercap"));
  try {
    open_run_meter_or_fail("shelly:http://127.0.0.1:9", true);
    FAIL("expected an Error");
  } catch (const Error& error) {
    CHECK(error.code() == 6);
    CHECK_THAT(error.what(), Contains("--require-energy"));
  }
  CHECK_FALSE(open_run_meter_or_fail("shelly:http://127.0.0.1:9", false)->usable());
}

}  // namespace
}  // namespace tern::harness
