// Any bytes as what a meter outside the machine says, as a log of one and as the text that names
// one: a value within its range or a reason, and what was read is the same when written and read
// again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "energy/external/log_window.h"
#include "energy/external/meter_spec.h"
#include "energy/external/power_reading.h"
#include "energy/external/replay_source.h"
#include "energy/external/trace.h"
#include "energy/external/wall_log.h"

using namespace tern::energy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void answers(std::string_view text) {
  for (const auto parse : {parse_shelly, parse_tasmota, parse_redfish, parse_dcmi}) {
    const Parsed<PowerReading> reading = parse(text);
    require(static_cast<bool>(reading) == reading.error.empty());
    if (!reading) continue;
    require(reading->power_w || reading->counter_wh);
    require(reading->power_w.value_or(0) >= 0 && reading->power_w.value_or(0) <= kMaxNode_w);
    require(reading->counter_wh.value_or(0) >= 0);
  }
}

void replay(const Trace& trace) {
  EnergyMeter meter(std::make_unique<ReplaySource>(trace));
  meter.start();
  const EnergyDelta delta = meter.stop();
  require(delta.total_joules >= 0);
  require((delta.status == Status::kNotMeasured) == !delta.why.empty());
}

// Of a log that is being written there may be less, but what is there has its windows.
void growing(std::string_view text) {
  const Parsed<WallLog> log = parse_wall_log_so_far(text);
  require(static_cast<bool>(log) == log.error.empty());
  if (log) require(energy_between(*log, 1, 2'000'000'000, 0).total_joules >= 0);
  const Parsed<Trace> so_far = parse_trace_so_far(text);
  require(static_cast<bool>(so_far) == so_far.error.empty());
  if (!so_far || so_far->readings.empty()) return;
  const std::int64_t first_ns = so_far->readings.front().time_ns;
  const std::int64_t last_ns = so_far->readings.back().time_ns;
  const std::int64_t middle_ns = first_ns + (last_ns - first_ns) / 2;
  for (const auto& [begin_ns, end_ns] :
       {std::pair{first_ns, last_ns}, {first_ns, middle_ns}, {middle_ns, last_ns}}) {
    const EnergyDelta delta = energy_between(*so_far, begin_ns, end_ns);
    require(delta.total_joules >= 0);
    require((delta.status == Status::kNotMeasured) == !delta.why.empty());
  }
}

void trace(std::string_view text) {
  const Parsed<Trace> parsed = parse_trace(text);
  require(static_cast<bool>(parsed) == parsed.error.empty());
  if (!parsed) return;
  require(parsed->readings.size() % parsed->info.domains.size() == 0);
  const std::string written = to_text(*parsed);
  const Parsed<Trace> again = parse_trace(written);
  require(static_cast<bool>(again));
  require(to_text(*again) == written);
  replay(*parsed);
}

void wall_log(std::string_view text) {
  const Parsed<WallLog> log = parse_wall_log(text);
  require(static_cast<bool>(log) == log.error.empty());
  if (!log) return;
  require(log->samples.size() >= 2 && log->interval_s > 0);
  const std::int64_t begin_ns = log->samples.front().time_ns;
  const std::int64_t end_ns = log->samples.back().time_ns;
  require(energy_between(*log, begin_ns, end_ns, 0).total_joules >= 0);
  require(energy_between(*log, begin_ns, end_ns, 1).status == Status::kNotMeasured);
  replay(to_trace(*log));
}

void specification(std::string_view text) {
  const Parsed<MeterSpec> spec = parse_meter_spec(text);
  require(static_cast<bool>(spec) == spec.error.empty());
  if (!spec) return;
  const Parsed<MeterSpec> again = parse_meter_spec(to_text(*spec));
  require(again && to_text(*again) == to_text(*spec));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  answers(text);
  trace(text);
  growing(text);
  wall_log(text);
  specification(text);
  return 0;
}
