#include "energy/external/open_external.h"

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

#include "energy/external/child_output.h"
#include "energy/external/http_get.h"
#include "energy/external/polled_source.h"
#include "energy/external/power_reading.h"
#include "energy/external/replay_source.h"
#include "energy/external/text.h"
#include "energy/external/trace.h"
#include "energy/external/wall_log.h"

namespace tern::energy {
namespace {

constexpr double kPlugAnswer_s = 2;
// How a BMC is asked: its sensor refreshes every 1 s to 1 min (energy.md section 1.0), its answer
// takes long, and asking oftener would load the machine that is measured.
constexpr double kBmcPeriod_s = 5;
constexpr double kBmcRetry_s = 0.5;
constexpr double kBmcAnswer_s = 4;
constexpr double kBmcStale_s = 10;
constexpr const char* kWallCoverage = "the whole machine at the wall, its power supply included";
constexpr const char* kNodeCoverage = "the whole node at its power supply, as its BMC measures";

using Parser = Parsed<PowerReading> (*)(std::string_view);

std::string variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return value == nullptr ? "" : value;
}

void set_unless_zero(double& value, double wanted) {
  if (wanted > 0) value = wanted;
}

void apply(const ExternalOptions& options, PolledMeter& meter) {
  set_unless_zero(meter.period_s, options.period_s);
  set_unless_zero(meter.retry_s, options.retry_s);
  set_unless_zero(meter.answer_s, options.answer_s);
  set_unless_zero(meter.stale_s, options.stale_s);
}

void make_bmc(PolledMeter& meter) {
  meter.coverage = kNodeCoverage;
  meter.period_s = kBmcPeriod_s;
  meter.retry_s = kBmcRetry_s;
  meter.answer_s = kBmcAnswer_s;
  meter.stale_s = kBmcStale_s;
  meter.max_power_w = kMaxNode_w;
}

HttpTarget http_target(const MeterSpec& spec) {
  HttpTarget target;
  target.tls = spec.tls;
  target.host = spec.host;
  target.port = spec.port;
  target.target = spec.target;
  if (spec.kind == MeterKind::kRedfish) {
    target.user = variable("TERN_REDFISH_USER");
    target.password = variable("TERN_REDFISH_PASSWORD");
    target.ca_file = variable("TERN_REDFISH_CA");
  }
  return target;
}

// Without the path: it is long, and what failed is the meter.
std::string place(const MeterSpec& spec) {
  MeterSpec short_spec = spec;
  short_spec.target.clear();
  return to_text(short_spec).substr(std::string(name(spec.kind)).size() + 1);
}

PolledMeter http_meter(const MeterSpec& spec) {
  PolledMeter meter;
  meter.name = name(spec.kind);
  meter.detail = place(spec);
  meter.coverage = kWallCoverage;
  meter.answer_s = kPlugAnswer_s;
  switch (spec.kind) {
    case MeterKind::kShelly:
      meter.counter_quantum_wh = 0.001;
      meter.remedy = "check the address with: curl http://HOST/rpc/Switch.GetStatus?id=0";
      break;
    case MeterKind::kTasmota:
      meter.counter_quantum_wh = 1;
      meter.remedy = "check the address with: curl http://HOST/cm?cmnd=Status%2010";
      break;
    default:
      make_bmc(meter);
      meter.remedy =
          "set TERN_REDFISH_USER and TERN_REDFISH_PASSWORD in the environment, and TERN_REDFISH_CA "
          "to the file of the BMC's certificate when nobody has signed it";
  }
  return meter;
}

Parser parser(MeterKind kind) {
  if (kind == MeterKind::kShelly) return parse_shelly;
  return kind == MeterKind::kTasmota ? parse_tasmota : parse_redfish;
}

Probe open_http(const MeterSpec& spec, const ExternalOptions& options) {
  PolledMeter meter = http_meter(spec);
  apply(options, meter);
  HttpTarget target = http_target(spec);
  const Parsed<std::string> address = resolve_host(spec.host, meter.answer_s);
  if (!address) return {meter.name, nullptr, meter.detail + ": " + address.error, meter.remedy};
  target.address = *address;
  HttpLimits limits;
  limits.total_s = meter.answer_s;
  meter.ask = [target, limits, parse = parser(spec.kind)](const StopSignal& stop) {
    const Parsed<std::string> body = http_get(target, limits, stop);
    return body ? parse(*body) : Parsed<PowerReading>::failed(body.error);
  };
  return open_polled(std::move(meter));
}

Parsed<PowerReading> ask_ipmitool(const std::string& program, double limit_s,
                                  const StopSignal& stop) {
  const ChildOutput output =
      run_child({program, "dcmi", "power", "reading"}, {.limit_s = limit_s, .stop = &stop});
  if (!output.error.empty()) return Parsed<PowerReading>::failed(output.error);
  if (output.exit_code == 0) return parse_dcmi(output.out);
  return Parsed<PowerReading>::failed("it ended with status " + std::to_string(output.exit_code) +
                                      " and said " + shown(output.err));
}

Probe open_ipmi(const ExternalOptions& options) {
  PolledMeter meter;
  meter.name = name(MeterKind::kIpmi);
  meter.detail = options.ipmitool + " dcmi power reading";
  make_bmc(meter);
  meter.remedy =
      "sudo apt-get install ipmitool; sudo modprobe ipmi_si ipmi_devintf; and read and write "
      "permission on /dev/ipmi0 (root has it)";
  apply(options, meter);
  meter.ask = [program = options.ipmitool, limit_s = meter.answer_s](const StopSignal& stop) {
    return ask_ipmitool(program, limit_s, stop);
  };
  return open_polled(std::move(meter));
}

Probe replay(const MeterSpec& spec, Parsed<Trace> trace) {
  if (!trace) return {name(spec.kind), nullptr, spec.file + ": " + trace.error, ""};
  Trace stored = std::move(*trace.value);
  stored.info.detail = spec.file;
  return {name(spec.kind), std::make_unique<ReplaySource>(std::move(stored)), "", ""};
}

Probe open_file(const MeterSpec& spec) {
  const Parsed<std::string> text = read_text_file(spec.file);
  if (!text) return {name(spec.kind), nullptr, text.error, ""};
  if (spec.kind == MeterKind::kTrace) return replay(spec, parse_trace(*text));
  const Parsed<WallLog> log = parse_wall_log(*text);
  return replay(spec, log ? Parsed<Trace>(to_trace(*log)) : Parsed<Trace>::failed(log.error));
}

}  // namespace

Probe open_external(const MeterSpec& spec, const ExternalOptions& options) {
  switch (spec.kind) {
    case MeterKind::kShelly:
    case MeterKind::kTasmota:
    case MeterKind::kRedfish:
      return open_http(spec, options);
    case MeterKind::kIpmi:
      return open_ipmi(options);
    case MeterKind::kTrace:
    case MeterKind::kPtdaemon:
      break;
  }
  return open_file(spec);
}

}  // namespace tern::energy
