#pragma once
// One sensor as the meter reads it: an energy counter, a power, or a voltage times a current, the
// last two read one right after the other. Negative values are errors: no processor gives power
// back.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "energy/energy_source.h"
#include "energy/sensor_file.h"

namespace tern::energy {

class SensorReader {
 public:
  // times_path: "" or the second factor (millivolts times milliamperes are microwatts). unit: what
  // one count of the file stands for, of what the meter counts in.
  SensorReader(const std::string& path, const std::string& times_path, int unit = 1);

  int open_error() const noexcept;
  // The raw value with the time in the middle of reading it; see Reading.
  Reading read() const noexcept;
  // Why the sensor cannot be used: "cannot read PATH (Permission denied)"; empty when it can.
  std::string defect() const;

 private:
  int read(std::uint64_t& raw) const noexcept;

  std::string path_;
  std::string times_path_;
  int unit_;
  SensorFile file_;
  std::optional<SensorFile> times_;
};

// A source over readers in the order of info.domains; of domains that are not measurable nothing
// is read.
class SensorSource final : public EnergySource {
 public:
  SensorSource(SourceInfo info, std::vector<SensorReader> readers);
  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override;

 private:
  SourceInfo info_;
  std::vector<SensorReader> readers_;
};

// How a sensor of power wants to be read: often enough for its averaging time, but no oftener than
// 50 times a second, because each reading is a transaction on a slow bus. averaging_s: 0 where each
// reading is a moment.
void pace_power(Domain& domain, double averaging_s, double fastest_s = 0.02) noexcept;

}  // namespace tern::energy
