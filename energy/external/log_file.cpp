#include "energy/external/log_file.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "energy/external/log_window.h"
#include "energy/external/text.h"
#include "energy/external/trace.h"
#include "energy/external/wall_log.h"
#include "energy/platform.h"

namespace tern::energy {
namespace {

// How long the log may lag behind what it tells of: its writer's buffer, and an interval or two.
constexpr double kLook_s = 0.1;
constexpr double kShortestPatience_s = 10;
constexpr double kLongestPatience_s = 60;

// What the two kinds of log have in common: the file, the wait for it, and what is said of it.
class LogFile : public MeterLog {
 public:
  LogFile(const MeterSpec& spec, LogOptions options)
      : file_(spec.file), options_(std::move(options)) {
    info_.name = std::string("external ") + name(spec.kind);
    if (!options_.pause) {
      options_.pause = [] { std::this_thread::sleep_for(std::chrono::duration<double>(kLook_s)); };
    }
  }

  const SourceInfo& info() const noexcept override { return info_; }

  // The reason why the file is no log, "" for one that is.
  std::string look() {
    const Parsed<std::string> text = read_text_file(file_);
    if (!text) return text.error;
    size_ = text->size();
    const std::string why = parse(*text);
    return why.empty() ? "" : file_ + ": " + why;
  }

  EnergyDelta between(const Moment& begin, const Moment& end) override {
    std::string why = clock_doubt(begin, end);
    double waited_s = 0;
    if (why.empty()) why = await(end, waited_s);
    const double window_s = static_cast<double>(end.raw_ns - begin.raw_ns) * 1e-9;
    if (why.empty() && window_s < info_.domains.front().update_s) {
      why = "the window of " + short_number(window_s) + " s is shorter than the " +
            short_number(info_.domains.front().update_s) + " s between two samples of " + file_;
    }
    EnergyDelta delta = why.empty() ? energy(begin, end) : no_energy(info_, window_s, why);
    delta.source = info_.name;
    delta.coverage = info_.coverage;
    if (delta.status != Status::kNotMeasured || !why.empty()) return delta;
    delta.why = file_ + ": " + delta.why;
    if (waited_s > 0 && !reaches(end)) {
      delta.why += ", and the log did not go on in " + short_number(waited_s) + " s";
    }
    return delta;
  }

 protected:
  virtual std::string parse(const std::string& text) = 0;
  // The log's last sample lies at or after the moment.
  virtual bool reaches(const Moment& moment) const = 0;
  virtual std::string clock_doubt(const Moment& begin, const Moment& end) const = 0;
  virtual EnergyDelta energy(const Moment& begin, const Moment& end) const = 0;

  const std::string file_;
  SourceInfo info_;  // with a domain at least

 private:
  std::string await(const Moment& end, double& waited_s) {
    std::string why = look();
    int looks = options_.looks;
    if (looks == 0) {
      const double interval_s = info_.domains.front().update_s;
      const double patience_s =
          std::clamp(kLongestGaps * interval_s, kShortestPatience_s, kLongestPatience_s);
      looks = static_cast<int>(patience_s / kLook_s);
    }
    // Who waited in vain does not wait for the same file again.
    if (size_ == spent_size_) looks = 0;
    for (int i = 0; i < looks && why.empty() && !reaches(end); ++i) {
      options_.pause();
      waited_s += kLook_s;
      std::error_code error;
      const std::uintmax_t size = std::filesystem::file_size(file_, error);
      if (error || size != size_) why = look();
    }
    if (!reaches(end)) spent_size_ = size_;
    return why;
  }

  LogOptions options_;
  std::uintmax_t size_ = 0;
  std::optional<std::uintmax_t> spent_size_;
};

std::string signed_seconds(double seconds) {
  return (std::signbit(seconds) ? "" : "+") + short_number(seconds) + " s";
}

class WallLogFile final : public LogFile {
 public:
  WallLogFile(const MeterSpec& spec, LogOptions options)
      : LogFile(spec, std::move(options)), offset_s_(spec.clock_offset_s) {
    Trace empty = to_trace({});
    info_.coverage = std::move(empty.info.coverage);
    info_.domains = std::move(empty.info.domains);
    info_.detail =
        file_ + ", merged by the time of day (UTC), " + signed_seconds(offset_s_) + " added to it";
  }

 private:
  std::string parse(const std::string& text) override {
    Parsed<WallLog> log = parse_wall_log_so_far(text);
    if (!log) return log.error;
    log_ = std::move(*log.value);
    info_.domains.front().update_s = log_.interval_s;
    return "";
  }
  bool reaches(const Moment& moment) const override {
    return !log_.samples.empty() &&
           log_.samples.back().time_ns + std::llround(offset_s_ * 1e9) >= moment.unix_ns;
  }
  std::string clock_doubt(const Moment& begin, const Moment& end) const override {
    const std::string asleep = suspended_between(begin, end);
    return asleep.empty() ? wall_clock_set_between(begin, end) : asleep;
  }
  EnergyDelta energy(const Moment& begin, const Moment& end) const override {
    return energy_between(log_, begin.unix_ns, end.unix_ns, offset_s_);
  }

  double offset_s_;
  WallLog log_;
};

class TraceFile final : public LogFile {
 public:
  TraceFile(const MeterSpec& spec, LogOptions options) : LogFile(spec, std::move(options)) {
    // Until the trace has a reading; a window then has none either, and says so.
    info_.coverage = "as the trace's names say";
    info_.domains.emplace_back();
    info_.domains.front().name = "trace";
  }

 private:
  std::string parse(const std::string& text) override {
    Parsed<Trace> trace = parse_trace_so_far(text);
    if (!trace) return trace.error;
    trace_ = std::move(*trace.value);
    if (trace_.info.domains.empty()) return "";
    // Of this machine's own counters, which a hypervisor may make up (energy.md section 1.8).
    const bool all_wall =
        std::all_of(trace_.info.domains.begin(), trace_.info.domains.end(),
                    [](const Domain& d) { return !d.included || d.kind == DomainKind::kWall; });
    trace_.info.attributed = trace_.info.attributed || (!all_wall && is_virtual_machine("/"));
    info_.coverage = trace_.info.coverage;
    info_.attributed = trace_.info.attributed;
    info_.domains = trace_.info.domains;
    info_.detail = file_ + " (" + trace_.info.name + "), merged by CLOCK_MONOTONIC_RAW";
    std::vector<std::int64_t> times_ns;
    for (std::size_t i = 0; i < trace_.readings.size(); i += info_.domains.size()) {
      times_ns.push_back(trace_.readings[i].time_ns);
    }
    const double interval_s = std::max(median_interval_s(times_ns), 0.0);
    for (Domain& domain : info_.domains) domain.update_s = std::max(domain.update_s, interval_s);
    return "";
  }
  bool reaches(const Moment& moment) const override {
    const std::size_t domains = trace_.info.domains.size();
    if (trace_.readings.empty()) return false;
    return std::all_of(trace_.readings.end() - static_cast<std::ptrdiff_t>(domains),
                       trace_.readings.end(),
                       [&](const Reading& reading) { return reading.time_ns >= moment.raw_ns; });
  }
  std::string clock_doubt(const Moment& begin, const Moment& end) const override {
    return suspended_between(begin, end);
  }
  EnergyDelta energy(const Moment& begin, const Moment& end) const override {
    return energy_between(trace_, begin.raw_ns, end.raw_ns);
  }

  Trace trace_;
};

std::unique_ptr<LogFile> make(const MeterSpec& spec, LogOptions options) {
  if (spec.kind == MeterKind::kTrace) return std::make_unique<TraceFile>(spec, std::move(options));
  return std::make_unique<WallLogFile>(spec, std::move(options));
}

}  // namespace

Probe open_log_file(const MeterSpec& spec, LogOptions options) {
  std::unique_ptr<LogFile> log = make(spec, std::move(options));
  std::string why = log->look();
  if (!why.empty()) return {name(spec.kind), nullptr, std::move(why), ""};
  return {name(spec.kind), std::move(log), "", ""};
}

}  // namespace tern::energy
