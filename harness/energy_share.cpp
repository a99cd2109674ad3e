#include "harness/energy_share.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tern::harness {

namespace {

void scale(energy::EnergyDelta& delta, double share) {
  delta.total_joules *= share;
  delta.window_s *= share;
  for (energy::DomainEnergy& domain : delta.domains) {
    domain.joules *= share;
    domain.sampling_u_joules *= share;
  }
}

// A domain of the sum that one window lacks is not measured.
void add_domains(energy::EnergyDelta& sum, const energy::EnergyDelta& part) {
  for (energy::DomainEnergy& domain : sum.domains) {
    const auto found = std::find_if(part.domains.begin(), part.domains.end(),
                                    [&](const auto& other) { return other.name == domain.name; });
    if (found == part.domains.end() || !found->measured) {
      domain.measured = false;
      if (domain.why.empty()) domain.why = "not measured in all windows of the question";
      continue;
    }
    domain.joules += found->joules;
    domain.sampling_u_joules += found->sampling_u_joules;
  }
}

}  // namespace

void EnergyShare::add(const energy::EnergyDelta& window, std::int64_t elapsed_ns, double share,
                      int questions) {
  questions_ = std::max(questions_, questions);
  elapsed_ns_ += share * static_cast<double>(elapsed_ns);
  windows_ = std::max(windows_, window.status);
  if (++added_ == 1) {
    sum_ = window;
    scale(sum_, share);
    return;
  }
  if (sum_.status == energy::Status::kNotMeasured) return;
  if (window.status == energy::Status::kNotMeasured) {
    sum_ = window;
    return;
  }
  energy::EnergyDelta part = window;
  scale(part, share);
  sum_.total_joules += part.total_joules;
  sum_.window_s += part.window_s;
  sum_.updates += part.updates;
  sum_.aligned = sum_.aligned && part.aligned;
  sum_.edge_s = std::max(sum_.edge_s, part.edge_s);
  sum_.update_s = std::max(sum_.update_s, part.update_s);
  if (sum_.disagreement.empty()) sum_.disagreement = part.disagreement;
  add_domains(sum_, part);
}

energy::EnergyDelta EnergyShare::energy() const {
  energy::EnergyDelta result = sum_;
  if (added_ == 0) result.why = "no token was evaluated for it";
  if (result.status == energy::Status::kNotMeasured || (added_ == 1 && questions_ == 1)) {
    return result;
  }
  result.status = energy::Status::kAttributed;
  result.why = fmt::format(
      "measured in windows of up to {} questions at once, shared out by "
      "tokens evaluated",
      questions_);
  // What the meter leaves unknown of a window says little about a share of it.
  result.u_abs_j.reset();
  result.u_cmp_j.reset();
  return result;
}

std::int64_t EnergyShare::elapsed_ns() const noexcept { return std::llround(elapsed_ns_); }

}  // namespace tern::harness
