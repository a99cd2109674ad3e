#include "energy/energy_meter.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <utility>

#include "energy/counter_unwrapper.h"

namespace tern::energy {
namespace {

// The background reader adds load, and each reading wakes a CPU: no oftener than it must, no rarer
// than 1 Hz.
constexpr double kSlowestPeriod_s = 1;
constexpr double kFastestPeriod_s = 1e-3;
// A window shorter than this many updates is called too short rather than unmoved.
constexpr double kShortUpdates = 100;

void join(std::string& text, const std::string& more) {
  if (more.empty()) return;
  if (!text.empty()) text += "; ";
  text += more;
}

std::chrono::duration<double> poll_period(const std::vector<Domain>& domains) {
  double period_s = kSlowestPeriod_s;
  for (const Domain& domain : domains) {
    if (domain.measurable) period_s = std::min(period_s, safe_poll_s(domain));
  }
  return std::chrono::duration<double>(std::max(period_s, kFastestPeriod_s));
}

std::string seconds(double value_s) {
  char text[32];
  const bool small = value_s < 0.1;
  std::snprintf(text, sizeof text, "%.3g %s", small ? value_s * 1e3 : value_s, small ? "ms" : "s");
  return text;
}

// Why no included counter moved; domain is the slowest of them.
std::string unmoved(const Domain& domain, double window_s) {
  if (window_s < kShortUpdates * domain.update_s) {
    return "the window of " + seconds(window_s) + " is too short for this counter (" + domain.name +
           " moves every " + seconds(domain.update_s) + ")";
  }
  return "the counter did not move in the window of " + seconds(window_s) + " (" + domain.name +
         ")";
}

// The window's readings of one domain as its energy.
DomainEnergy evaluate(const Domain& domain, const CounterUnwrapper& counter) {
  DomainEnergy energy;
  energy.name = domain.name;
  energy.included = domain.included;
  energy.why = domain.included ? "" : domain.why_excluded;
  if (!domain.measurable) return energy;
  if (counter.fault() != Fault::kNone) {
    join(energy.why, counter.why());
  } else if (counter.counts() == 0) {
    // In an included domain a truthful zero, if others moved: less than its unit. Elsewhere say
    // nothing.
    energy.measured = domain.included;
    join(energy.why, "the counter did not move in the window");
  } else {
    energy.measured = true;
    energy.joules = counter.joules();
  }
  return energy;
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
  std::chrono::duration<double> period{kSlowestPeriod_s};
  std::size_t clock_domain = 0;  // whose stamps bound the window: the first included one

  std::mutex mutex;  // guards all below and source->read
  std::condition_variable wake;
  bool quit = false;
  bool active = false;
  std::uint64_t window =
      0;  // counts starts, so that the reader never waits on an old window's clock
  std::vector<CounterUnwrapper> counters;
  std::vector<Reading> readings;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
  std::int64_t updates = 0;
  std::thread reader;

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      quit = true;
    }
    wake.notify_all();
    if (reader.joinable()) reader.join();
  }

  const std::vector<Domain>& domains() const { return source->info().domains; }

  void read_locked() {
    source->read(readings);
    for (std::size_t i = 0; i < counters.size(); ++i) counters[i].feed(readings[i]);
    last_ns = readings.empty() ? 0 : readings[clock_domain].time_ns;
    if (updates == 0) first_ns = last_ns;
    ++updates;
  }

  void begin() {
    {
      const std::lock_guard lock(mutex);
      counters.clear();
      for (const Domain& domain : domains()) counters.emplace_back(domain);
      readings.assign(domains().size(), Reading{});
      updates = 0;
      active = true;
      ++window;
      if (!reader.joinable()) reader = std::thread([this] { poll(); });
      read_locked();
    }
    wake.notify_all();
  }

  void poll() {
    std::unique_lock lock(mutex);
    while (!quit) {
      wake.wait(lock, [this] { return quit || active; });
      const std::uint64_t current = window;
      const bool changed =
          wake.wait_for(lock, period, [&] { return quit || !active || window != current; });
      if (!changed) read_locked();
    }
  }

  EnergyDelta end() {
    const std::lock_guard lock(mutex);
    if (!active) return not_started();
    read_locked();
    active = false;
    return summary();
  }

  EnergyDelta header() const {
    EnergyDelta delta;
    delta.source = source->info().name;
    delta.coverage = source->info().coverage;
    return delta;
  }

  EnergyDelta not_started() const {
    EnergyDelta delta = header();
    delta.why = "the window was never started";
    return delta;
  }

  // A total only if every included domain answered for the whole window: no partial sum passes for
  // one.
  EnergyDelta summary() const {
    EnergyDelta delta = header();
    delta.window_s = static_cast<double>(last_ns - first_ns) * 1e-9;
    delta.updates = updates;
    const Domain* slowest = nullptr;
    bool moved = false;
    double total_joules = 0;
    for (std::size_t i = 0; i < counters.size(); ++i) {
      const Domain& domain = domains()[i];
      delta.domains.push_back(evaluate(domain, counters[i]));
      if (!domain.included) continue;
      const DomainEnergy& energy = delta.domains.back();
      if (!energy.measured) join(delta.why, energy.name + ": " + energy.why);
      total_joules += energy.joules;
      moved = moved || counters[i].counts() != 0;
      if (slowest == nullptr || domain.update_s > slowest->update_s) slowest = &domain;
    }
    if (slowest == nullptr) delta.why = "the source has no domain that counts towards a total";
    if (delta.why.empty() && !moved) {
      delta.why = unmoved(*slowest, delta.window_s);
      for (DomainEnergy& energy : delta.domains) energy.measured = false;
    }
    if (!delta.why.empty()) return delta;
    delta.total_joules = total_joules;
    delta.status = source->info().attributed ? Status::kAttributed : Status::kMeasured;
    return delta;
  }
};

EnergyMeter::EnergyMeter(std::string why_not) : impl_(std::make_unique<Impl>()) {
  impl_->why_not = std::move(why_not);
}

EnergyMeter::EnergyMeter(std::unique_ptr<EnergySource> source) : impl_(std::make_unique<Impl>()) {
  impl_->source = std::move(source);
  if (!impl_->source) {
    impl_->why_not = "no meter was given";
    return;
  }
  const std::vector<Domain>& domains = impl_->domains();
  impl_->period = poll_period(domains);
  const auto included = std::find_if(domains.begin(), domains.end(),
                                     [](const Domain& domain) { return domain.included; });
  if (included != domains.end()) {
    impl_->clock_domain = static_cast<std::size_t>(included - domains.begin());
  }
}

EnergyMeter::~EnergyMeter() = default;

bool EnergyMeter::usable() const noexcept { return impl_->source != nullptr; }

const SourceInfo* EnergyMeter::info() const noexcept {
  return usable() ? &impl_->source->info() : nullptr;
}

void EnergyMeter::start() {
  if (usable()) impl_->begin();
}

EnergyDelta EnergyMeter::stop() {
  if (usable()) return impl_->end();
  EnergyDelta delta;
  delta.why = impl_->why_not;
  return delta;
}

}  // namespace tern::energy
