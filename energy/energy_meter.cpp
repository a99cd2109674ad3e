#include "energy/energy_meter.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "energy/counter_unwrapper.h"
#include "energy/cpu_spent.h"
#include "energy/domain_accumulator.h"
#include "energy/meter_log.h"
#include "energy/mirrors.h"
#include "energy/stamp.h"
#include "energy/ticks.h"
#include "energy/window.h"

namespace tern::energy {
namespace {

// The background reader adds load, and each reading wakes a CPU: no oftener than it must, no rarer
// than 1 Hz.
constexpr double kSlowestPeriod_s = 1;
constexpr double kFastestPeriod_s = 1e-3;

std::chrono::duration<double> poll_period(const std::vector<Domain>& domains) {
  double period_s = kSlowestPeriod_s;
  for (const Domain& domain : domains) {
    if (!domain.measurable) continue;
    period_s = std::min({period_s, safe_poll_s(domain), domain.longest_poll_s});
  }
  return std::chrono::duration<double>(std::max(period_s, kFastestPeriod_s));
}

// Suspended time is in CLOCK_BOOTTIME and not in CLOCK_MONOTONIC.
std::int64_t machine_asleep_ns() { return clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC); }

std::vector<std::size_t> included(const std::vector<Domain>& domains) {
  std::vector<std::size_t> indexes;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (domains[i].included) indexes.push_back(i);
  }
  return indexes;
}

bool moves_fast(const SourceInfo& info) {
  return info.live && std::all_of(info.domains.begin(), info.domains.end(), [](const Domain& d) {
           return !d.included || (d.quantity == Quantity::kEnergy && d.update_s <= kSlowestTick_s);
         });
}

}  // namespace

const char* name(Status status) noexcept {
  switch (status) {
    case Status::kMeasured:
      return "measured";
    case Status::kAttributed:
      return "attributed";
    case Status::kNotMeasured:
      break;
  }
  return "not_measured";
}

struct EnergyMeter::Impl {
  std::string why_not;
  std::unique_ptr<EnergySource> source;
  MeterLog* log = nullptr;  // the source, where it is one; then nothing is read
  Moment log_begin;
  std::string disagreement;
  std::function<std::int64_t()> asleep_ns;
  std::chrono::duration<double> period{kSlowestPeriod_s};
  std::vector<std::size_t> counted;  // the included domains
  std::optional<Mirrors> mirrors;
  bool may_align = false;
  bool pace_known = false;  // measured, or found to have none

  std::mutex mutex;  // guards all below and source->read
  std::condition_variable wake;
  bool quit = false;
  bool active = false;
  std::uint64_t number =
      0;  // counts starts, so that the reader never waits on an old window's clock
  Window window;
  std::vector<Reading> readings;
  std::int64_t reader_cpu_ns = 0;  // of the background thread, all it has spent
  std::int64_t others_cpu_ns = 0;  // that and the source's own, when the window began
  std::int64_t start_cpu_ns = 0;   // of the thread that began it, for its beginning
  std::thread reader;

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      quit = true;
    }
    wake.notify_all();
    if (reader.joinable()) reader.join();
  }

  void prepare() {
    const SourceInfo& info = source->info();
    log = dynamic_cast<MeterLog*>(source.get());
    period = poll_period(info.domains);
    counted = included(info.domains);
    mirrors.emplace(info);
    may_align = moves_fast(info) && !counted.empty();
  }

  // The first included domain gives the pace; without steps to wait for nothing is aligned.
  void measure_pace() {
    if (!may_align || pace_known) return;
    pace_known = true;
    const std::size_t first = counted.front();
    const auto tick_s = measure_tick_s(*source, first, source->info().domains[first].update_s);
    may_align = tick_s.has_value();
    window.update_s = tick_s.value_or(0);
  }

  // Readings right after each included counter moved; false where one did not.
  bool align() {
    if (!may_align) return false;
    const auto sharpness_s = wait_for_moves(*source, counted, window.update_s, readings);
    if (!sharpness_s) return false;
    window.sharpness_s = std::max(window.sharpness_s, *sharpness_s);
    return true;
  }

  void feed() {
    for (std::size_t i = 0; i < readings.size(); ++i) window.counters[i].feed(readings[i]);
    mirrors->compare(window.counters, readings);
  }

  void read_locked() {
    source->read(readings);
    feed();
    ++window.updates;
  }

  void begin() {
    {
      const std::lock_guard lock(mutex);
      const SourceInfo& info = source->info();
      measure_pace();  // once, and no part of what a window costs
      const std::int64_t begun_ns = cpu_spent_ns();
      others_cpu_ns = reader_cpu_ns + source->own_cpu_ns();
      const double update_s = window.update_s;
      window = {};
      window.update_s = update_s;
      for (const Domain& domain : info.domains) window.counters.emplace_back(domain);
      readings.assign(info.domains.size(), Reading{});
      mirrors->begin();
      active = true;
      ++number;
      if (!reader.joinable() && !source->stored()) reader = std::thread([this] { poll(); });
      window.asleep_ns = asleep_ns();
      source->read(readings);
      window.aligned = align();
      feed();
      ++window.updates;
      for (const Reading& reading : readings) window.edges.push_back({reading.time_ns, 0});
      start_cpu_ns = cpu_spent_ns() - begun_ns;
    }
    wake.notify_all();
  }

  void poll() {
    std::unique_lock lock(mutex);
    while (!quit) {
      wake.wait(lock, [this] { return quit || active; });
      const std::uint64_t current = number;
      const bool changed =
          wake.wait_for(lock, period, [&] { return quit || !active || number != current; });
      if (!changed) read_locked();
      reader_cpu_ns = cpu_spent_ns();
    }
  }

  EnergyDelta end() {
    const std::lock_guard lock(mutex);
    if (!active) return not_started();
    const std::int64_t begun_ns = cpu_spent_ns();
    do {
      read_locked();
    } while (source->stored().value_or(0) > 0);
    if (window.aligned) {
      const std::vector<Reading> plain = readings;
      window.aligned = align();
      for (const std::size_t i : counted) {
        if (window.aligned) window.counters[i].feed(readings[i]);
      }
      if (!window.aligned) readings = plain;
    }
    for (std::size_t i = 0; i < readings.size(); ++i) {
      window.edges[i].last_ns = readings[i].time_ns;
    }
    window.asleep_ns = asleep_ns() - window.asleep_ns;
    window.trouble = source->trouble();
    active = false;
    EnergyDelta delta = summarize(source->info(), window, *mirrors);
    delta.disagreement = disagreement;
    if (!source->stored()) delta.meter_cpu_s = spent_s(begun_ns);
    return delta;
  }

  void begin_log() {
    active = true;
    log_begin = moment_now();
  }

  EnergyDelta end_log() {
    const Moment now = moment_now();
    if (!active) return not_started();
    active = false;
    return log->between(log_begin, now);
  }

  // begun_ns: of the calling thread, when it began to end the window.
  double spent_s(std::int64_t begun_ns) const {
    const std::int64_t others_ns = reader_cpu_ns + source->own_cpu_ns() - others_cpu_ns;
    return static_cast<double>(start_cpu_ns + others_ns + cpu_spent_ns() - begun_ns) * 1e-9;
  }

  EnergyDelta not_started() const {
    EnergyDelta delta;
    delta.source = source->info().name;
    delta.coverage = source->info().coverage;
    delta.why = "the window was never started";
    return delta;
  }
};

EnergyMeter::EnergyMeter(std::string why_not) : impl_(std::make_unique<Impl>()) {
  impl_->why_not = std::move(why_not);
}

EnergyMeter::EnergyMeter(std::unique_ptr<EnergySource> source, std::string disagreement,
                         std::function<std::int64_t()> asleep_ns)
    : impl_(std::make_unique<Impl>()) {
  impl_->source = std::move(source);
  impl_->disagreement = std::move(disagreement);
  impl_->asleep_ns = asleep_ns ? std::move(asleep_ns) : machine_asleep_ns;
  if (impl_->source) {
    impl_->prepare();
  } else {
    impl_->why_not = "no meter was given";
  }
}

EnergyMeter::~EnergyMeter() = default;

bool EnergyMeter::usable() const noexcept { return impl_->source != nullptr; }

const SourceInfo* EnergyMeter::info() const noexcept {
  return usable() ? &impl_->source->info() : nullptr;
}

void EnergyMeter::start() {
  if (!usable()) return;
  if (impl_->log) return impl_->begin_log();
  resume();
  impl_->begin();
}

void EnergyMeter::pause() noexcept {
  if (usable()) impl_->source->pause();
}

void EnergyMeter::resume() noexcept {
  if (usable()) impl_->source->resume();
}

EnergyDelta EnergyMeter::stop() {
  if (impl_->log) return impl_->end_log();
  if (usable()) return impl_->end();
  EnergyDelta delta;
  delta.why = impl_->why_not;
  return delta;
}

}  // namespace tern::energy
