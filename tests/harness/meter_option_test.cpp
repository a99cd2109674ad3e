#include "harness/meter_option.h"

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("--meter names a meter that answers now, or is refused") {
  CHECK_THROWS_WITH(open_run_meter("kettle:http://127.0.0.1"), Contains("--meter: "));
  CHECK_THROWS_WITH(open_run_meter("trace:/nowhere"), Contains("got the log of one"));
  CHECK_THROWS_WITH(open_run_meter("ptdaemon:/nowhere"), Contains("got the log of one"));
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
