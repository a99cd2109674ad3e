#include "energy/cross_check.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "energy/counter_unwrapper.h"

namespace tern::energy {
namespace {

constexpr std::chrono::milliseconds kWindow{200};  // two hundred updates: edges of half a per cent
constexpr double kAgree = 0.05;
constexpr double kUpdates = 2;  // may fall into one window and not into the other

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g %%", share * 100);
  return text;
}

std::string joules(double energy_j) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g J", energy_j);
  return text;
}

// One source over the common window.
class Side {
 public:
  explicit Side(EnergySource& source) : source_(source), readings_(domains().size()) {
    for (const Domain& domain : domains()) counters_.emplace_back(domain);
  }
  void read() {
    source_.read(readings_);
    for (std::size_t i = 0; i < counters_.size(); ++i) counters_[i].feed(readings_[i]);
    if (start_ns_.empty()) {
      for (const Reading& reading : readings_) start_ns_.push_back(reading.time_ns);
    }
  }
  const std::string& name() const { return source_.info().name; }
  const std::vector<Domain>& domains() const { return source_.info().domains; }
  const CounterUnwrapper& counter(std::size_t i) const { return counters_[i]; }
  double elapsed_s(std::size_t i) const {
    return static_cast<double>(readings_[i].time_ns - start_ns_[i]) * 1e-9;
  }
  // The included domain of that name, or -1.
  int find(const std::string& domain) const {
    for (std::size_t i = 0; i < domains().size(); ++i) {
      if (domains()[i].included && domains()[i].name == domain) return static_cast<int>(i);
    }
    return -1;
  }

 private:
  EnergySource& source_;
  std::vector<Reading> readings_;
  std::vector<CounterUnwrapper> counters_;
  std::vector<std::int64_t> start_ns_;
};

// Compares power, because the windows are a reading apart.
void compare(const Side& a, std::size_t i, const Side& b, std::size_t k, CrossCheck& check,
             double& worst) {
  const Domain& domain = a.domains()[i];
  for (const auto& [side, index] : {std::pair{&a, i}, std::pair{&b, k}}) {
    if (side->counter(index).fault() == Fault::kNone && side->elapsed_s(index) > 0) continue;
    check.disagrees = true;
    check.text += (check.text.empty() ? "" : "; ") + domain.name + " of " + side->name() + ": " +
                  side->counter(index).why();
    return;
  }
  const double a_w = a.counter(i).joules() / a.elapsed_s(i);
  const double b_w = b.counter(k).joules() / b.elapsed_s(k);
  const double larger_w = std::max(a_w, b_w);
  if (larger_w <= 0) return;
  const double share = std::abs(a_w - b_w) / larger_w;
  worst = std::max(worst, share);
  const double updates_s = kUpdates * std::max(domain.update_s, b.domains()[k].update_s);
  if (share <= kAgree + updates_s / a.elapsed_s(i)) return;
  check.disagrees = true;
  check.text += (check.text.empty() ? "" : "; ") + domain.name + ": " + a.name() + " counted " +
                joules(a.counter(i).joules()) + " and " + b.name() + " " +
                joules(b.counter(k).joules()) + " over the same time";
}

// Two doors to the same RAPL counters.
constexpr std::array<const char*, 2> kDoors = {"perf", "powercap"};

template <class P>
P* named(std::span<P> probes, const char* name) {
  const auto found = std::find_if(probes.begin(), probes.end(),
                                  [&](const Probe& probe) { return probe.name == name; });
  return found == probes.end() ? nullptr : &*found;
}

Probe* live(std::span<Probe> probes, const char* name) {
  Probe* probe = named(probes, name);
  return probe != nullptr && probe->source && probe->source->info().live ? probe : nullptr;
}

}  // namespace

CrossCheck compare_sources(EnergySource& a, EnergySource& b, const std::function<void()>& pause) {
  Side first(a);
  Side second(b);
  first.read();
  second.read();
  if (pause) {
    pause();
  } else {
    std::this_thread::sleep_for(kWindow);
  }
  first.read();
  second.read();
  CrossCheck check;
  double worst = 0;
  int compared = 0;
  for (std::size_t i = 0; i < first.domains().size(); ++i) {
    if (!first.domains()[i].included) continue;
    const int k = second.find(first.domains()[i].name);
    if (k < 0) continue;
    ++compared;
    compare(first, i, second, static_cast<std::size_t>(k), check, worst);
  }
  if (compared == 0) return check;
  if (check.disagrees) {
    check.text = first.name() + " and " + second.name() + " disagree: " + check.text;
  } else {
    check.text = first.name() + " and " + second.name() + " agree within " + percent(worst);
  }
  return check;
}

void cross_check(std::span<Probe> probes, const std::function<void()>& pause) {
  const std::array<Probe*, 2> sides = {live(probes, kDoors[0]), live(probes, kDoors[1])};
  if (sides[0] == nullptr || sides[1] == nullptr) return;
  const CrossCheck check = compare_sources(*sides[0]->source, *sides[1]->source, pause);
  for (Probe* probe : sides) {
    probe->cross_check = check.text;
    probe->disagrees = check.disagrees;
  }
}

std::string why_not_compared(std::span<const Probe> probes) {
  for (const char* name : kDoors) {
    const Probe* probe = named(probes, name);
    if (probe == nullptr || !probe->source) return std::string(name) + " is not usable";
    if (!probe->source->info().live) {
      return std::string(name) + " reads the files of another root, not this machine's counters";
    }
  }
  return named(probes, kDoors[0])->cross_check.empty() ? "they have no domain in common" : "";
}

}  // namespace tern::energy
