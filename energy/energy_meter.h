#pragma once
// Joules between two moments from one EnergySource: a background thread reads often enough that no
// counter can wrap unseen, and arithmetic that cannot be sure refuses instead of guessing.

#include <cstdint>
#include <memory>
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
};

class EnergyMeter {
 public:
  // A meter on nothing: every stop() returns kNotMeasured with that reason.
  explicit EnergyMeter(std::string why_not);
  explicit EnergyMeter(std::unique_ptr<EnergySource> source);
  ~EnergyMeter();

  bool usable() const noexcept;
  const SourceInfo* info() const noexcept;  // nullptr when not usable

  // Not reentrant: start, then stop. The reads at both ends are synchronous.
  void start();
  EnergyDelta stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The preferred usable meter of this machine, or a meter on nothing with all reasons joined.
std::unique_ptr<EnergyMeter> open_meter(const std::string& sysroot = "/");

}  // namespace tern::energy
