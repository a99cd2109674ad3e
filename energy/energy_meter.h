#pragma once
// Joules between two moments from one EnergySource: a background thread reads often enough that no
// counter can wrap unseen, and arithmetic that cannot be sure refuses instead of guessing. Where a
// live counter moves at least every 10 ms, both ends of a window wait for it to move; elsewhere a
// window of fewer than a hundred updates of a live counter is refused, and so is one in which the
// machine slept.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "energy/energy_source.h"

namespace tern::energy {

enum class Status : std::uint8_t { kMeasured, kAttributed, kNotMeasured };
const char* name(Status status) noexcept;  // "measured", "attributed", "not_measured"

struct DomainEnergy {
  std::string name;
  bool measured = false;  // joules is meaningful only then
  double joules = 0;
  bool included = false;  // in the total
  std::string why;        // why excluded or not measured

  // An integral over samples of power, not the difference of a counter; what sampling and the
  // sensor's own averaging leave unknown is then one standard uncertainty, else 0.
  bool integrated = false;
  double sampling_u_joules = 0;
};

// The energy of one window. total_joules is meaningful only when status is not kNotMeasured.
struct EnergyDelta {
  Status status = Status::kNotMeasured;
  std::string why;     // reason when not measured
  std::string source;  // "powercap"
  std::string coverage;
  double total_joules = 0;
  double window_s = 0;       // between the first and last readings
  std::int64_t updates = 0;  // readings taken inside the window, both ends included
  std::vector<DomainEnergy> domains;
  bool aligned = false;  // every included counter was read right after it moved, at both ends
  // How often the slowest included counter moves: measured where windows align, else as declared.
  double update_s = 0;
  // How far an included counter's edge may lie from the window's: a reading's length where one
  // counter is aligned, up to an update with several, an update where nothing is. For the
  // uncertainty budget.
  double edge_s = 0;
  // How the source disagreed with another of the same counters when the meter was opened; empty: it
  // did not.
  std::string disagreement;
  // Standard uncertainties of the total (uncertainty_budget.h), with the sensor's gain and without;
  // none where nobody knew the meter.
  std::optional<double> u_abs_j, u_cmp_j;
  // Power of the idle windows before this one; none where there were none.
  std::optional<double> idle_w;
  // CPU time that metering took: the readings at both ends and what waits for counters to move
  // there, the readings in between, and the source's own threads and programs. None of a stored
  // trace.
  std::optional<double> meter_cpu_s;
};

class EnergyMeter {
 public:
  // A meter on nothing: every stop() returns kNotMeasured with that reason.
  explicit EnergyMeter(std::string why_not);
  // asleep_ns: how long the machine has slept so far; the kernel's answer unless given.
  explicit EnergyMeter(std::unique_ptr<EnergySource> source, std::string disagreement = "",
                       std::function<std::int64_t()> asleep_ns = {});
  ~EnergyMeter();

  bool usable() const noexcept;
  const SourceInfo* info() const noexcept;  // nullptr when not usable

  // Not reentrant: start, then stop. The reads at both ends are synchronous; to align them costs up
  // to one update of the counter each, and a hundred at the first start, where its pace is
  // measured.
  void start();
  EnergyDelta stop();

  // Between windows: the source does nothing by itself either, until resume() or the next start(),
  // which wait for its first answer.
  void pause() noexcept;
  void resume() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The preferred usable meter of this machine, or a meter on nothing with all reasons joined.
std::unique_ptr<EnergyMeter> open_meter(const std::string& sysroot = "/");

}  // namespace tern::energy
