#include "energy/external/replay_source.h"

#include <cerrno>
#include <utility>

namespace tern::energy {

ReplaySource::ReplaySource(Trace trace) : trace_(std::move(trace)) {}

void ReplaySource::read(std::span<Reading> readings) noexcept {
  for (Reading& reading : readings) {
    reading = next_ < trace_.readings.size() ? trace_.readings[next_++] : Reading{0, 0, ENODATA};
  }
}

std::optional<std::size_t> ReplaySource::stored() const noexcept {
  if (trace_.info.domains.empty()) return 0;
  return (trace_.readings.size() - next_) / trace_.info.domains.size();
}

std::string ReplaySource::trouble() const {
  return next_ < trace_.readings.size() ? "" : "the stored readings have come to their end";
}

RecordingSource::RecordingSource(std::unique_ptr<EnergySource> source, std::shared_ptr<Trace> trace)
    : source_(std::move(source)), trace_(std::move(trace)) {
  trace_->info = source_->info();
  trace_->readings.clear();
}

void RecordingSource::read(std::span<Reading> readings) noexcept {
  source_->read(readings);
  trace_->readings.insert(trace_->readings.end(), readings.begin(), readings.end());
}

}  // namespace tern::energy
