#include "energy/external/power_reading.h"

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

std::string refusal(const Parsed<PowerReading>& reading) {
  CHECK_FALSE(reading);
  return reading.error;
}

std::string tasmota(const std::string& energy) {
  return R"({"StatusSNS":{"ENERGY":)" + energy + "}}";
}

}  // namespace

TEST_CASE("a Shelly's answer is watts and watt-hours") {
  const auto reading = parse_shelly(
      R"({"id":0,"source":"init","output":true,"apower":61.2,"voltage":230.1,"current":0.3,)"
      R"("aenergy":{"total":1234.567,"by_minute":[1,2,3],"minute_ts":1},"temperature":{"tC":41}})");
  REQUIRE(reading);
  CHECK(reading->power_w == 61.2);
  CHECK(reading->counter_wh == 1234.567);
  const auto power_only = parse_shelly(R"({"apower":0})");
  REQUIRE(power_only);
  CHECK(power_only->power_w == 0.0);
  CHECK_FALSE(power_only->counter_wh);
  const auto counter_only = parse_shelly(R"({"aenergy":{"total":5}})");
  REQUIRE(counter_only);
  CHECK_FALSE(counter_only->power_w);
}

TEST_CASE("a Tasmota's answer is watts and kilowatt-hours") {
  const auto reading = parse_tasmota(tasmota(R"({"Total":3.185,"Power":84,"Voltage":229})"));
  REQUIRE(reading);
  CHECK(reading->power_w == 84.0);
  CHECK(*reading->counter_wh == Approx(3185));
}

TEST_CASE("a Redfish chassis' answer is watts") {
  const auto reading = parse_redfish(
      R"({"PowerControl":[{"Name":"Node","PowerConsumedWatts":344,"PowerMetrics":{}},{}]})");
  REQUIRE(reading);
  CHECK(reading->power_w == 344.0);
  CHECK_FALSE(reading->counter_wh);
}

TEST_CASE("what ipmitool prints is watts") {
  const auto reading = parse_dcmi(
      "\n    Instantaneous power reading:                   220 Watts\n"
      "    Minimum during sampling period:                 12 Watts\n"
      "    Sampling period:                          00000001 Seconds.\n"
      "    Power reading state is:                   activated\n\n");
  REQUIRE(reading);
  CHECK(reading->power_w == 220.0);
}

TEST_CASE("an answer without its number says what was there") {
  CHECK_THAT(refusal(parse_shelly("<html>")), Contains("expected JSON") && Contains("<html>"));
  CHECK_THAT(refusal(parse_shelly("")), Contains("expected JSON"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":1)")), Contains("expected JSON"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":1} trailing)")), Contains("expected JSON"));
  CHECK_THAT(refusal(parse_shelly("[]")), Contains("apower") && Contains("a list of 0"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":"61"})")), Contains("\"61\""));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":null})")), Contains("null"));
  CHECK_THAT(refusal(parse_tasmota(R"({"WARNING":"Need user=<username>"})")),
             Contains("StatusSNS.ENERGY.Power") && Contains("WARNING"));
  CHECK_THAT(refusal(parse_tasmota(tasmota(R"({"Power":[1,2]})"))), Contains("a list of 2"));
  CHECK_THAT(refusal(parse_redfish(R"({"PowerControl":[]})")),
             Contains("PowerControl[0].PowerConsumedWatts"));
  CHECK_THAT(refusal(parse_redfish(R"({"PowerControl":[{"PowerConsumedWatts":null}]})")),
             Contains("null"));
  CHECK_THAT(refusal(parse_dcmi("DCMI request failed")), Contains("DCMI request failed"));
  CHECK_THAT(refusal(parse_dcmi("Instantaneous power reading: 220 W\n")), Contains("220 W"));
  CHECK_THAT(refusal(parse_dcmi("Instantaneous power reading: Watts\n")), Contains("N Watts"));
  CHECK_THAT(refusal(parse_dcmi("Instantaneous power reading: 0 Watts\n"
                                "Power reading state is: deactivated\n")),
             Contains("deactivated"));
}

TEST_CASE("a value that is there and wrong is not passed over for another one") {
  CHECK_FALSE(parse_shelly(R"({"apower":"x","aenergy":{"total":5}})"));
  CHECK_FALSE(parse_shelly(R"({"apower":5,"aenergy":{"total":"x"}})"));
}

TEST_CASE("a number out of range is no reading") {
  CHECK(parse_shelly(R"({"apower":4000})"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":4001})")), Contains("4001 W, expected 0 to 4000 W"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":-3.5})")), Contains("-3.5 W"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":1,"aenergy":{"total":1e9}})")), Contains("Wh"));
  CHECK_THAT(refusal(parse_shelly(R"({"apower":1e999})")), Contains("expected JSON"));
  CHECK(parse_redfish(R"({"PowerControl":[{"PowerConsumedWatts":20000}]})"));
  CHECK_FALSE(parse_redfish(R"({"PowerControl":[{"PowerConsumedWatts":20001}]})"));
  CHECK_FALSE(parse_dcmi("Instantaneous power reading: 65535 Watts"));
  CHECK_FALSE(parse_dcmi("Instantaneous power reading: nan Watts"));
  CHECK_FALSE(parse_dcmi("Instantaneous power reading: -1 Watts"));
}

TEST_CASE("what a meter says is shown short and printable") {
  const std::string error = refusal(parse_shelly("\x1b[31m\xff" + std::string(100'000, 'x')));
  CHECK(error.size() < 120);
  CHECK_THAT(error, Contains("?[31m?xxx"));
}
