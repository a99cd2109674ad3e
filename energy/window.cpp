#include "energy/window.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

namespace tern::energy {
namespace {

// Fewer updates than this make edges too large a part of an unaligned window (0.4 % at a hundred).
constexpr double kShortUpdates = 100;
// Two clocks read one after the other differ by less; no machine sleeps and wakes as fast.
constexpr std::int64_t kAwake_ns = 10'000'000;

void join(std::string& text, const std::string& more) {
  if (more.empty()) return;
  if (!text.empty()) text += "; ";
  text += more;
}

std::string seconds(double value_s) {
  char text[32];
  const bool small = value_s < 0.1;
  std::snprintf(text, sizeof text, "%.4g %s", small ? value_s * 1e3 : value_s, small ? "ms" : "s");
  return text;
}

std::string too_short(const Domain& domain, double window_s) {
  return "the window of " + seconds(window_s) + " is too short for this counter (" + domain.name +
         " moves every " + seconds(domain.update_s) + ")";
}

// Sensors of power say themselves how long a window they need.
bool is_short(const Domain& domain, double window_s) {
  return domain.quantity == Quantity::kEnergy && window_s < kShortUpdates * domain.update_s;
}

// Why no included counter moved; domain is the slowest of them.
std::string unmoved(const SourceInfo& info, const Domain& domain, double window_s) {
  if (domain.quantity == Quantity::kPower) {
    return "the sensor read 0 W throughout the window of " + seconds(window_s) + " (" +
           domain.name + ")";
  }
  if (info.live && is_short(domain, window_s)) return too_short(domain, window_s);
  return "the counter did not move in the window of " + seconds(window_s) + " (" + domain.name +
         ")";
}

// The window's readings of one domain as its energy.
DomainEnergy evaluate(const Domain& domain, const DomainAccumulator& counter, double window_s) {
  DomainEnergy energy;
  energy.name = domain.name;
  energy.included = domain.included;
  energy.integrated = domain.quantity == Quantity::kPower;
  energy.why = domain.included ? "" : domain.why_excluded;
  if (!domain.measurable) return energy;
  if (counter.fault() != Fault::kNone) {
    join(energy.why, counter.why());
  } else if (window_s < domain.min_window_s) {
    join(energy.why, "the window of " + seconds(window_s) +
                         " is too short for this sensor, which needs " +
                         seconds(domain.min_window_s));
  } else if (!counter.moved()) {
    // In an included domain a truthful zero, if others moved: less than its unit. Elsewhere say
    // nothing.
    energy.measured = domain.included;
    join(energy.why, domain.quantity == Quantity::kPower
                         ? "the sensor read 0 W throughout the window"
                         : "the counter did not move in the window");
  } else {
    energy.measured = true;
    energy.joules = counter.joules();
    energy.sampling_u_joules = counter.sampling_u_joules();
  }
  return energy;
}

double distance_s(std::int64_t a_ns, std::int64_t b_ns) {
  return std::abs(static_cast<double>(a_ns - b_ns)) * 1e-9;
}

class Summary {
 public:
  Summary(const SourceInfo& info, const Window& window) : info_(info), window_(window) {
    delta_.source = info.name;
    delta_.coverage = info.coverage;
    delta_.updates = window.updates;
    delta_.aligned = window.aligned;
    for (std::size_t i = 0; i < info.domains.size(); ++i) {
      const Domain& domain = info.domains[i];
      const Edges& edges = window.edges[i];
      delta_.domains.push_back(
          evaluate(domain, window.counters[i], distance_s(edges.last_ns, edges.first_ns)));
      if (!domain.included) continue;
      moved_ = moved_ || window.counters[i].moved();
      if (clock_ == nullptr) clock_ = &edges;
      if (slowest_ == nullptr || domain.update_s > slowest_->update_s) slowest_ = &domain;
      skew_s_ = std::max(skew_s_, distance_s(edges.first_ns, clock_->first_ns) +
                                      distance_s(edges.last_ns, clock_->last_ns));
    }
    if (slowest_ == nullptr) return;
    delta_.window_s = distance_s(clock_->last_ns, clock_->first_ns);
    const bool measured = window.aligned && window.update_s > 0;
    delta_.update_s = measured ? window.update_s : slowest_->update_s;
    delta_.edge_s = window.aligned ? std::max(window.sharpness_s, skew_s_) : slowest_->update_s;
  }

  // One counter under two names counts once, and the coverage says so.
  void leave_out(Mirrors& mirrors) {
    const double skew_s = 2 * delta_.update_s + skew_s_;
    for (const MirrorVerdict& verdict : mirrors.judge(window_.counters, delta_.window_s, skew_s)) {
      DomainEnergy& other = delta_.domains[verdict.other];
      const std::string& kept = info_.domains[verdict.kept].name;
      if (verdict.unresolved) {
        join(delta_.why, "the window of " + seconds(delta_.window_s) +
                             " is too short to tell whether " + other.name +
                             " is a counter of its own or mirrors " + kept);
        continue;
      }
      other.included = false;
      join(other.why, "mirrored: advances equally with " + kept);
      join(delta_.coverage, other.name + " mirrored");
    }
  }

  void refuse_doubt() {
    if (window_.asleep_ns > kAwake_ns) {
      join(delta_.why, "the machine was suspended for " +
                           seconds(static_cast<double>(window_.asleep_ns) * 1e-9) +
                           " within the window");
    }
    bool unread = false;
    for (std::size_t i = 0; i < delta_.domains.size(); ++i) {
      const DomainEnergy& energy = delta_.domains[i];
      if (!info_.domains[i].included || energy.measured) continue;
      join(delta_.why, energy.name + ": " + energy.why);
      const Fault fault = window_.counters[i].fault();
      unread = unread || fault == Fault::kReadError || fault == Fault::kReset;
    }
    if (unread) join(delta_.why, window_.trouble);
    if (slowest_ == nullptr) delta_.why = "the source has no domain that counts towards a total";
    if (!delta_.why.empty()) return;
    if (!moved_) {
      delta_.why = unmoved(info_, *slowest_, delta_.window_s);
      for (DomainEnergy& energy : delta_.domains) energy.measured = false;
    } else if (info_.live && !window_.aligned && is_short(*slowest_, delta_.window_s)) {
      delta_.why = too_short(*slowest_, delta_.window_s);
    }
  }

  EnergyDelta total() {
    if (!delta_.why.empty()) return delta_;
    for (const DomainEnergy& energy : delta_.domains) {
      if (energy.included) delta_.total_joules += energy.joules;
    }
    delta_.status = info_.attributed ? Status::kAttributed : Status::kMeasured;
    return delta_;
  }

 private:
  const SourceInfo& info_;
  const Window& window_;
  EnergyDelta delta_;
  const Edges* clock_ = nullptr;  // of the first included domain: the window's
  const Domain* slowest_ = nullptr;
  double skew_s_ = 0;  // between the edges of included domains
  bool moved_ = false;
};

}  // namespace

EnergyDelta summarize(const SourceInfo& info, const Window& window, Mirrors& mirrors) {
  Summary summary(info, window);
  summary.leave_out(mirrors);
  summary.refuse_doubt();
  return summary.total();
}

}  // namespace tern::energy
