#pragma once
// A stored trace as an EnergySource, and the way to get one: a source that also keeps what it
// reads. A meter on a replay takes the first readings at start() and all others at stop(), in no
// thread, so that the same trace gives the same window, byte for byte.

#include <memory>

#include "energy/energy_source.h"
#include "energy/external/trace.h"

namespace tern::energy {

class ReplaySource final : public EnergySource {
 public:
  explicit ReplaySource(Trace trace);

  const SourceInfo& info() const noexcept override { return trace_.info; }
  void read(std::span<Reading> readings) noexcept override;  // ENODATA once all are taken
  std::optional<std::size_t> stored() const noexcept override;
  std::string trouble() const override;

 private:
  Trace trace_;
  std::size_t next_ = 0;
};

class RecordingSource final : public EnergySource {
 public:
  // Appends every reading to trace, which is the caller's to read when no meter uses this any more.
  RecordingSource(std::unique_ptr<EnergySource> source, std::shared_ptr<Trace> trace);

  const SourceInfo& info() const noexcept override { return source_->info(); }
  void read(std::span<Reading> readings) noexcept override;
  std::optional<std::size_t> stored() const noexcept override { return source_->stored(); }
  std::string trouble() const override { return source_->trouble(); }

 private:
  std::unique_ptr<EnergySource> source_;
  std::shared_ptr<Trace> trace_;
};

}  // namespace tern::energy
