#include "energy/mirrors.h"

#include <algorithm>
#include <cmath>

namespace tern::energy {
namespace {

constexpr double kEqual = 0.005;  // energy.md section 1.2

bool may_be_one(const Domain& a, const Domain& b) {
  return a.included && b.included && a.quantity == Quantity::kEnergy &&
         b.quantity == Quantity::kEnergy && a.kind == b.kind && a.package >= 0 &&
         a.package == b.package;
}

}  // namespace

Mirrors::Mirrors(const SourceInfo& info) : info_(info) {
  const std::vector<Domain>& domains = info.domains;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    for (std::size_t k = i + 1; k < domains.size(); ++k) {
      if (may_be_one(domains[i], domains[k])) pairs_.push_back({.first = i, .second = k});
    }
  }
}

void Mirrors::begin() {
  for (Pair& pair : pairs_) pair.worst_j = 0;
}

void Mirrors::compare(std::span<const DomainAccumulator> counters,
                      std::span<const Reading> readings) {
  if (!info_.live) return;  // a copy's author may stand between two files
  for (Pair& pair : pairs_) {
    const double gap_s =
        static_cast<double>(readings[pair.second].time_ns - readings[pair.first].time_ns) * 1e-9;
    if (std::abs(gap_s) > info_.domains[pair.first].update_s) continue;
    const double apart_j = counters[pair.first].joules() - counters[pair.second].joules();
    pair.worst_j = std::max(pair.worst_j, std::abs(apart_j));
  }
}

std::vector<MirrorVerdict> Mirrors::judge(std::span<const DomainAccumulator> counters,
                                          double window_s, double skew_s) {
  std::vector<MirrorVerdict> verdicts;
  std::vector<bool> repeated(counters.size());
  for (Pair& pair : pairs_) {
    const DomainAccumulator& first = counters[pair.first];
    const DomainAccumulator& second = counters[pair.second];
    if (first.fault() != Fault::kNone || second.fault() != Fault::kNone) continue;
    if (repeated[pair.first] || repeated[pair.second]) continue;
    const double advance_j = std::max(first.joules(), second.joules());
    if (advance_j <= 0) continue;
    const double skew_j = info_.live && window_s > 0 ? skew_s * advance_j / window_s : 0;
    const double apart_j = std::max(pair.worst_j, std::abs(first.joules() - second.joules()));
    const bool equal = apart_j <= kEqual * advance_j + skew_j;
    const bool long_enough = skew_j <= kEqual * advance_j;
    if (info_.live) {
      pair.apart = pair.apart || !equal;
      pair.mirrored = !pair.apart && (pair.mirrored || long_enough);
    }
    if (!equal || pair.apart) continue;
    const bool told = long_enough || pair.mirrored;
    verdicts.push_back({pair.first, pair.second, told, !told});
    repeated[pair.second] = told;
  }
  return verdicts;
}

}  // namespace tern::energy
