#include "energy/external/meter_spec.h"

#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;

namespace {

MeterSpec good(const std::string& text) {
  const Parsed<MeterSpec> parsed = parse_meter_spec(text);
  INFO(text << ": " << parsed.error);
  REQUIRE(parsed);
  return *parsed;
}

std::string refusal(const std::string& text) {
  const Parsed<MeterSpec> parsed = parse_meter_spec(text);
  INFO(text);
  CHECK_FALSE(parsed);
  CHECK_FALSE(parsed.error.empty());
  return parsed.error;
}

}  // namespace

TEST_CASE("a plug is a URL, and its path is known") {
  const MeterSpec shelly = good("shelly:http://192.168.1.5");
  CHECK(shelly.kind == MeterKind::kShelly);
  CHECK(shelly.host == "192.168.1.5");
  CHECK(shelly.port == 80);
  CHECK_FALSE(shelly.tls);
  CHECK(shelly.target == "/rpc/Switch.GetStatus?id=0");
  CHECK(good("tasmota:http://plug.local:8080/").target == "/cm?cmnd=Status%2010");
  CHECK(good("tasmota:http://plug.local:8080/").port == 8080);
  CHECK(good("shelly:http://h/rpc/PM1.GetStatus?id=1").target == "/rpc/PM1.GetStatus?id=1");
  CHECK(good("shelly:https://h").port == 443);
  CHECK(good("shelly:http://[fe80::1]:81").host == "fe80::1");
  CHECK(good("shelly:http://[fe80::1]").port == 80);
}

TEST_CASE("a chassis is asked for its power, and over TLS unless it is this machine") {
  const MeterSpec bmc = good("redfish:https://bmc/redfish/v1/Chassis/1");
  CHECK(bmc.tls);
  CHECK(bmc.port == 443);
  CHECK(bmc.target == "/redfish/v1/Chassis/1/Power");
  CHECK(good("redfish:https://bmc/redfish/v1/Chassis/1/Power").target == bmc.target);
  CHECK(good("redfish:http://127.0.0.1:8000/redfish/v1/Chassis/1").port == 8000);
  CHECK_THAT(refusal("redfish:http://bmc/redfish/v1/Chassis/1"), Contains("expected https"));
  CHECK_THAT(refusal("redfish:http://127.evil.example/redfish/v1/Chassis/1"),
             Contains("expected https"));
  CHECK_THAT(refusal("redfish:https://bmc"), Contains("/redfish/v1/Chassis/ID"));
}

TEST_CASE("files, with an offset of the clock for logs") {
  CHECK(good("ipmi").kind == MeterKind::kIpmi);
  CHECK(good("trace:a:b@+1").file == "a:b@+1");
  CHECK(good("ptdaemon:spl.txt").clock_offset_s == 0);
  const MeterSpec log = good("ptdaemon:dir@home/spl.txt@-3600.5");
  CHECK(log.file == "dir@home/spl.txt");
  CHECK(log.clock_offset_s == -3600.5);
  CHECK(good("ptdaemon:x@+2").clock_offset_s == 2);
  CHECK(good("ptdaemon:x@2").file == "x@2");
  CHECK_THAT(refusal("ptdaemon:x@+2h"), Contains("@±SECONDS"));
  CHECK_THAT(refusal("ptdaemon:x@+-2"), Contains("@±SECONDS"));
  CHECK_THAT(refusal("ptdaemon:x@+1e7"), Contains("@±SECONDS"));
  CHECK_THAT(refusal("trace:"), Contains("expected a file"));
  CHECK_THAT(refusal("ptdaemon:@+2"), Contains("expected a file"));
}

TEST_CASE("what is no meter is refused in one sentence") {
  for (const char* text : {"", "plug", "shelly", "Shelly:http://h", "ipmi:", "ipmi:x", " ipmi"}) {
    refusal(text);
  }
  CHECK_THAT(refusal("plug:http://h"), Contains("shelly:URL") && Contains("\"plug\""));
  for (const char* url :
       {"h", "ftp://h", "http://", "http://:80", "http://h:", "http://h:0", "http://h:65536",
        "http://h:8x", "http://h h", "http://[::1", "http://[::1]80", "http://[]", "http://h?id=1",
        "http://h#x", "http://h/a b", "http://h/\r\nX: y", "http://h/a\"b"}) {
    refusal(std::string("shelly:") + url);
  }
}

TEST_CASE("a password is refused and not repeated") {
  for (const char* text : {"redfish:https://root:secret@bmc/redfish/v1/Chassis/1",
                           "shelly:root:secret@h", "tasmota:http://h/cm?user=a&password=secret@x",
                           "redfish:root:secret@https://bmc", "root:secret"}) {
    CHECK_THAT(refusal(text), !Contains("secret"));
  }
}

TEST_CASE("a specification is written as it is read") {
  for (const char* text :
       {"shelly:http://192.168.1.5:80/rpc/Switch.GetStatus?id=0", "ipmi", "trace:a b",
        "redfish:https://[fe80::1]:443/redfish/v1/Chassis/1/Power", "ptdaemon:x@+1@+0",
        "ptdaemon:spl.txt@-3600.5", "tasmota:http://h:8080/cm?cmnd=Status%2010"}) {
    CHECK(to_text(good(text)) == text);
  }
}
