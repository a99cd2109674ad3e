#include "energy/external/log_window.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "energy/domain_accumulator.h"
#include "energy/external/text.h"
#include "energy/mirrors.h"
#include "energy/window.h"

namespace tern::energy {
namespace {

double seconds_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) * 1e-9;
}

// The readings of one domain, in the order of the log.
std::vector<Reading> series_of(const Trace& trace, std::size_t domain) {
  std::vector<Reading> series;
  const std::size_t domains = trace.info.domains.size();
  for (std::size_t i = domain; i < trace.readings.size(); i += domains) {
    series.push_back(trace.readings[i]);
  }
  return series;
}

// A counter between two of its readings that the unwrapper takes.
Reading between(const Reading& before, const Reading& after, std::uint64_t modulus,
                std::int64_t time_ns) {
  if (time_ns == before.time_ns) return before;
  if (time_ns == after.time_ns) return after;
  const std::uint64_t rise = after.raw - before.raw + (after.raw < before.raw ? modulus : 0);
  const long double share = static_cast<long double>(time_ns - before.time_ns) /
                            static_cast<long double>(after.time_ns - before.time_ns);
  const auto risen = static_cast<std::uint64_t>(share * static_cast<long double>(rise));
  // In this order nothing can overflow.
  const bool wraps = modulus != 0 && risen >= modulus - before.raw;
  return {wraps ? risen - (modulus - before.raw) : before.raw + risen, time_ns, 0};
}

// One domain's part of the window: the readings inside and one at each end.
class DomainWindow {
 public:
  DomainWindow(const Domain& domain, const std::vector<Reading>& series, std::int64_t begin_ns,
               std::int64_t end_ns)
      : counter_(domain) {
    find(series, begin_ns, end_ns);
    if (!why_.empty()) return;
    // All that the log says around the window, both ends' intervals whole: doubt in them is doubt
    // in what is made of them.
    DomainAccumulator whole(domain);
    for (std::size_t i = first_; i <= last_; ++i) whole.feed(series[i]);
    if (whole.fault() != Fault::kNone) {
      counter_ = std::move(whole);
      return;
    }
    counter_.feed(between(series[first_], series[first_ + 1], domain.modulus, begin_ns));
    for (std::size_t i = first_ + 1; i < last_; ++i) counter_.feed(series[i]);
    counter_.feed(between(series[last_ - 1], series[last_], domain.modulus, end_ns));
    updates_ = static_cast<std::int64_t>(last_ - first_) + 1;
  }

  const std::string& why() const { return why_; }
  const DomainAccumulator& counter() const { return counter_; }
  std::int64_t updates() const { return updates_; }
  double edge_s() const { return edge_s_; }

 private:
  void find(const std::vector<Reading>& series, std::int64_t begin_ns, std::int64_t end_ns) {
    std::vector<std::int64_t> times_ns;
    for (const Reading& reading : series) times_ns.push_back(reading.time_ns);
    const auto disorder =
        std::adjacent_find(times_ns.begin(), times_ns.end(), std::greater_equal<>());
    if (disorder != times_ns.end()) {
      why_ = "two readings of the log are not in time order";
    } else if (times_ns.empty()) {
      why_ = "the log has no sample yet";
    } else {
      why_ = uncovered(times_ns.front(), times_ns.back(), begin_ns, end_ns);
    }
    if (!why_.empty()) return;
    // The last at or before the beginning, and the first at or after the end: two, since the window
    // is not empty.
    first_ = static_cast<std::size_t>(std::upper_bound(times_ns.begin(), times_ns.end(), begin_ns) -
                                      times_ns.begin() - 1);
    last_ = static_cast<std::size_t>(std::lower_bound(times_ns.begin(), times_ns.end(), end_ns) -
                                     times_ns.begin());
    edge_s_ = std::max(seconds_between(times_ns[first_], times_ns[first_ + 1]),
                       seconds_between(times_ns[last_ - 1], times_ns[last_]));
    if (edge_s_ > kLongestGaps * median_interval_s(times_ns)) {
      why_ = "the log has no sample for " + short_number(edge_s_) + " s at an end of the window";
    }
  }

  DomainAccumulator counter_;
  std::string why_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::int64_t updates_ = 0;
  double edge_s_ = 0;
};

}  // namespace

std::string_view complete_lines(std::string_view text) noexcept {
  return text.substr(0, text.rfind('\n') + 1);  // npos + 1 is 0
}

double median_interval_s(std::span<const std::int64_t> times_ns) {
  if (times_ns.size() < 2) return 0;
  std::vector<std::int64_t> gaps_ns;
  for (std::size_t i = 1; i < times_ns.size(); ++i) {
    gaps_ns.push_back(times_ns[i] - times_ns[i - 1]);
  }
  const auto middle = gaps_ns.begin() + static_cast<std::ptrdiff_t>(gaps_ns.size() / 2);
  std::nth_element(gaps_ns.begin(), middle, gaps_ns.end());
  return static_cast<double>(*middle) * 1e-9;
}

std::string uncovered(std::int64_t first_ns, std::int64_t last_ns, std::int64_t begin_ns,
                      std::int64_t end_ns) {
  if (begin_ns >= end_ns) return "the window is empty";
  const double early_s = seconds_between(begin_ns, first_ns);
  const double late_s = seconds_between(last_ns, end_ns);
  std::string why;
  if (early_s > 0) why = "begins " + short_number(early_s) + " s before the log's first sample";
  if (late_s > 0) {
    why += (why.empty() ? "" : " and ") + std::string("ends ") + short_number(late_s) +
           " s after the log's last sample";
  }
  return why.empty() ? "" : "the window " + why;
}

EnergyDelta no_energy(const SourceInfo& info, double window_s, const std::string& why) {
  EnergyDelta delta;
  delta.source = info.name;
  delta.coverage = info.coverage;
  delta.window_s = window_s;
  delta.why = why;
  for (const Domain& domain : info.domains) {
    DomainEnergy energy;
    energy.name = domain.name;
    energy.included = domain.included;
    energy.why = domain.included ? why : domain.why_excluded;
    delta.domains.push_back(std::move(energy));
  }
  return delta;
}

EnergyDelta energy_between(const Trace& trace, std::int64_t begin_ns, std::int64_t end_ns) {
  const SourceInfo& info = trace.info;
  const double window_s = seconds_between(begin_ns, end_ns);
  if (trace.readings.empty()) return no_energy(info, window_s, "the log has no sample yet");
  Window window;
  double edge_s = 0;
  for (std::size_t i = 0; i < info.domains.size(); ++i) {
    const DomainWindow part(info.domains[i], series_of(trace, i), begin_ns, end_ns);
    if (!part.why().empty()) return no_energy(info, window_s, part.why());
    window.counters.push_back(part.counter());
    window.edges.push_back({begin_ns, end_ns});
    window.updates = part.updates();
    if (info.domains[i].included) edge_s = std::max(edge_s, part.edge_s());
  }
  Mirrors mirrors(info);
  EnergyDelta delta = summarize(info, window, mirrors);
  delta.update_s = delta.edge_s = edge_s;
  return delta;
}

}  // namespace tern::energy
