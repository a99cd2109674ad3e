#pragma once
// A meter that answers slowly, as an EnergySource: a thread of its own asks it again and again and
// sums up its power, and a reading is what that thread knew last, so nobody waits for a network.
// What the meter did not answer for is never bridged: such a window has no total, and a reason.
// While it is paused nobody asks, and that is such a gap.

#include <functional>
#include <string>

#include "energy/energy_source.h"
#include "energy/external/parsed.h"
#include "energy/external/power_reading.h"
#include "energy/external/stop_signal.h"

namespace tern::energy {

struct PolledMeter {
  std::string name;    // "shelly"
  std::string detail;  // where it is
  std::string coverage;
  std::string remedy;     // for a meter that does not answer
  double period_s = 0.5;  // between two questions
  double retry_s = 0.25;  // after one that failed
  double answer_s = 2;    // the longest a question can take
  // A sample is used for so long after it was taken, and power is summed up across so long a gap.
  // It is also how often the sum moves at the least, the period that windows are judged by.
  double stale_s = 3;
  double max_power_w = kMaxPlug_w;
  double counter_quantum_wh = 0;  // of the meter's own counter: its resolution, and
  double counter_update_s = 60;   // how often it moves
  std::function<Parsed<PowerReading>(const StopSignal& stop)> ask;
};

// Asks once before it answers, so it takes up to answer_s.
Probe open_polled(PolledMeter meter);

}  // namespace tern::energy
