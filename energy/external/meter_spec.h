#pragma once
// A meter outside the machine, or a log of one, as a user writes it: KIND:WHERE. Credentials have
// no place in it; a text that holds some is refused and not repeated.

#include <cstdint>
#include <string>
#include <string_view>

#include "energy/external/parsed.h"

namespace tern::energy {

enum class MeterKind : std::uint8_t { kShelly, kTasmota, kRedfish, kIpmi, kTrace, kPtdaemon };
const char* name(MeterKind kind) noexcept;  // "shelly", …

struct MeterSpec {
  MeterKind kind = MeterKind::kIpmi;
  // Of shelly, tasmota and redfish.
  bool tls = false;
  std::string host;  // without the brackets of IPv6
  int port = 0;
  std::string target;  // path and query of the request
  // Of trace and ptdaemon.
  std::string file;
  double clock_offset_s = 0;  // ptdaemon: to be added to the log's clock to get the run's (UTC)
};

// shelly:http://HOST[:PORT][/PATH]     (the path is /rpc/Switch.GetStatus?id=0 unless given)
// tasmota:http://HOST[:PORT][/PATH]    (/cm?cmnd=Status%2010)
// redfish:https://HOST[:PORT]/redfish/v1/Chassis/ID[/Power]; http for loopback hosts only
// ipmi
// trace:FILE
// ptdaemon:FILE[@±SECONDS]
Parsed<MeterSpec> parse_meter_spec(std::string_view text);

// The text that parses to spec.
std::string to_text(const MeterSpec& spec);

}  // namespace tern::energy
