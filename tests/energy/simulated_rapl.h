#pragma once
// Counters with a known truth and a clock of their own: each reading takes its time on that clock,
// and each counter moves in steps, as RAPL does.

#include <cmath>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "energy/energy_source.h"

namespace tern::tests {

struct SimulatedCounter {
  double power_w = 100;
  double tick_s = 1e-3;
  double phase_s = 0;       // of the ticks
  std::uint64_t start = 0;  // raw count at the beginning of time
  int error = 0;            // of every reading
};

class SimulatedRapl final : public energy::EnergySource {
 public:
  SimulatedRapl(energy::SourceInfo info, std::vector<SimulatedCounter> counters)
      : info_(std::move(info)), counters_(std::move(counters)) {}

  const energy::SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<energy::Reading> readings) noexcept override {
    for (std::size_t i = 0; i < readings.size(); ++i) readings[i] = read_one(i);
  }
  energy::Reading read_one(std::size_t domain) noexcept override {
    const std::lock_guard lock(mutex_);
    now_ns_ += read_ns;
    ++looks_;
    if (on_look) on_look(looks_);
    const SimulatedCounter& counter = counters_[domain];
    return {counter.error == 0 ? raw(domain) : 0, now_ns_, counter.error};
  }

  void pass(double time_s) {
    const std::lock_guard lock(mutex_);
    add(time_s);
  }
  // From within on_look.
  void add(double time_s) { now_ns_ += static_cast<std::int64_t>(time_s * 1e9); }
  SimulatedCounter& counter(std::size_t domain) { return counters_[domain]; }
  int looks() const { return looks_; }

  std::int64_t read_ns = 2000;
  std::function<void(int look)> on_look;

 private:
  std::uint64_t raw(std::size_t domain) const {
    const SimulatedCounter& counter = counters_[domain];
    const energy::Domain& d = info_.domains[domain];
    const double now_s = static_cast<double>(now_ns_) * 1e-9 - counter.phase_s;
    const double energy_j = std::floor(now_s / counter.tick_s) * counter.tick_s * counter.power_w;
    const auto counts = counter.start + static_cast<std::uint64_t>(energy_j / d.joules_per_count);
    return d.modulus == 0 ? counts : counts % d.modulus;
  }

  energy::SourceInfo info_;
  std::vector<SimulatedCounter> counters_;
  std::mutex mutex_;
  std::int64_t now_ns_ = 5'000'300'000;
  int looks_ = 0;
};

inline energy::Domain rapl_domain(std::string name, energy::DomainKind kind, int package) {
  energy::Domain domain;
  domain.name = std::move(name);
  domain.kind = kind;
  domain.modulus = 262143328911;
  domain.included = true;
  domain.package = package;
  return domain;
}

// A live source with these domains.
inline energy::SourceInfo rapl_info(std::vector<energy::Domain> domains) {
  energy::SourceInfo info;
  info.name = "simulated";
  info.coverage = "1 of 1 packages, no dram domain";
  info.live = true;
  info.domains = std::move(domains);
  return info;
}

}  // namespace tern::tests
