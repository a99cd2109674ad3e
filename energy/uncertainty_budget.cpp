#include "energy/uncertainty_budget.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <map>

namespace tern::energy {
namespace {

const double kTwoUniformEdges = std::sqrt(1.0 / 6.0);

// The coarsest unit of a RAPL package or memory counter, 2^-14 J.
constexpr double kRaplUnit_j = 1.0 / 16384;

bool holds(std::string text, const char* word) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.find(word) != std::string::npos;
}

bool is_rapl(DomainKind kind) noexcept {
  return kind == DomainKind::kPackage || kind == DomainKind::kCore || kind == DomainKind::kUncore ||
         kind == DomainKind::kDram || kind == DomainKind::kPsys;
}

// Client CPUs have a domain for their graphics; servers have none. Where memory has no domain
// either nothing is known, and the wider figure is the client's.
SensorClass intel_package(const SourceInfo& info) {
  const auto any = [&](DomainKind kind) {
    return std::any_of(info.domains.begin(), info.domains.end(),
                       [&](const Domain& domain) { return domain.kind == kind; });
  };
  return any(DomainKind::kDram) && !any(DomainKind::kUncore) ? SensorClass::kIntelServer
                                                             : SensorClass::kIntelClient;
}

SensorClass rail_class(const std::string& names) {
  if (holds(names, "ina2") || holds(names, "ina3")) return SensorClass::kInaRail;
  if (holds(names, "grace")) return SensorClass::kGrace;
  return SensorClass::kUnknown;
}

std::string percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.3g %%", share * 100);
  return text;
}

double sum_of_squares(const std::vector<UncertaintyTerm>& terms, bool absolute) {
  double sum = 0;
  for (const UncertaintyTerm& term : terms) {
    if (absolute || !term.absolute_only) sum += term.u_j * term.u_j;
  }
  return sum;
}

// Joules of the total by class of sensor, and its independent terms, gathered domain by domain.
struct Gathered {
  double quantum_square = 0, edges_square = 0, truncation_j = 0;
  std::map<SensorClass, double> joules;
};

void gather(Gathered& all, const SourceInfo& info, std::size_t i, const EnergyDelta& delta,
            const std::string& cpu_vendor) {
  const Domain& domain = info.domains[i];
  const DomainEnergy& energy = delta.domains[i];
  const double joules = energy.joules;
  all.joules[sensor_class(info, i, cpu_vendor)] += joules;
  if (energy.integrated) {
    all.edges_square += energy.sampling_u_joules * energy.sampling_u_joules;
    return;
  }
  const double quantum = quantum_u_j(counter_quantum_j(domain));
  const double step_s = delta.edge_s > 0 ? delta.edge_s : domain.update_s;
  const double edge = edges_u_j(joules / delta.window_s, step_s);
  all.quantum_square += quantum * quantum;
  all.edges_square += edge * edge;
  all.truncation_j += truncation_u_j(truncation_share(domain), joules);
}

}  // namespace

double quantum_u_j(double quantum_j) noexcept { return quantum_j * kTwoUniformEdges; }

double edges_u_j(double power_w, double step_s) noexcept {
  return power_w * step_s * kTwoUniformEdges;
}

double truncation_u_j(double relative, double energy_j) noexcept { return relative * energy_j; }

double idle_mean_u_j(double stddev_w, int windows, double window_s) noexcept {
  return stddev_w * window_s / std::sqrt(static_cast<double>(std::max(windows, 1)));
}

double idle_drift_u_j(double drift_w, double window_s) noexcept {
  return std::abs(drift_w) * window_s / (2 * std::sqrt(3.0));
}

double gain_u_j(double relative, double energy_j) noexcept { return relative * energy_j; }

double root_sum_of_squares(std::span<const double> values) noexcept {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

const char* name(SensorClass sensor) noexcept {
  switch (sensor) {
    case SensorClass::kIntelServer:
      return "Intel server package";
    case SensorClass::kIntelClient:
      return "Intel client package";
    case SensorClass::kAmd:
      return "AMD package";
    case SensorClass::kDram:
      return "memory";
    case SensorClass::kInaRail:
      return "INA rail";
    case SensorClass::kGrace:
      return "Grace";
    case SensorClass::kApple:
      return "Apple";
    case SensorClass::kPlug:
      return "plug";
    case SensorClass::kAnalyser:
      return "power analyser";
    case SensorClass::kUnknown:
      break;
  }
  return "a sensor of no known class";
}

SensorClass sensor_class(const SourceInfo& info, std::size_t domain,
                         const std::string& cpu_vendor) {
  const std::string names = info.name + ' ' + info.detail + ' ' + info.domains[domain].name;
  switch (info.domains[domain].kind) {
    case DomainKind::kDram:
      return SensorClass::kDram;
    case DomainKind::kWall:
      return holds(names, "ptdaemon") ? SensorClass::kAnalyser : SensorClass::kPlug;
    case DomainKind::kRail:
    case DomainKind::kOther:
      return rail_class(names);
    case DomainKind::kPsys:
    case DomainKind::kPackage:
    case DomainKind::kCore:
    case DomainKind::kUncore:
      break;
  }
  if (cpu_vendor == "AuthenticAMD" || cpu_vendor == "HygonGenuine") return SensorClass::kAmd;
  if (cpu_vendor == "GenuineIntel") return intel_package(info);
  if (cpu_vendor == "Apple") return SensorClass::kApple;
  return rail_class(names);
}

double gain_assumed(SensorClass sensor) noexcept {
  switch (sensor) {
    case SensorClass::kIntelServer:
      return 0.03;
    case SensorClass::kIntelClient:
    case SensorClass::kGrace:
      return 0.05;
    case SensorClass::kAmd:
    case SensorClass::kDram:
      return 0.10;
    case SensorClass::kInaRail:
    case SensorClass::kPlug:
      return 0.02;
    case SensorClass::kApple:
      return 0.15;
    case SensorClass::kAnalyser:
      return 0.01;
    case SensorClass::kUnknown:
      break;
  }
  return 0.15;
}

double model_assumed(SensorClass sensor) noexcept { return sensor == SensorClass::kAmd ? 0.05 : 0; }

double counter_quantum_j(const Domain& domain) noexcept {
  if (domain.modulus > 0) {
    return static_cast<double>(domain.modulus) * domain.joules_per_count * 0x1p-32;
  }
  return is_rapl(domain.kind) ? std::max(domain.joules_per_count, kRaplUnit_j)
                              : domain.joules_per_count;
}

double truncation_share(const Domain& domain) noexcept {
  if (domain.modulus == 0) return 0;
  // A unit of whole nanojoules next to a power of two was cut by less than one of them.
  constexpr double kNanojoule = 1e-9;
  const double unit_j = counter_quantum_j(domain);
  const double exact_j = std::exp2(std::round(std::log2(unit_j)));
  const double cut_j = exact_j - unit_j;
  return cut_j > 0 && cut_j < kNanojoule ? cut_j / exact_j : 0;
}

double UncertaintyBudget::absolute_j() const { return std::sqrt(sum_of_squares(terms, true)); }
double UncertaintyBudget::comparative_j() const { return std::sqrt(sum_of_squares(terms, false)); }

UncertaintyBudget window_budget(const SourceInfo& info, const EnergyDelta& delta,
                                const std::string& cpu_vendor) {
  UncertaintyBudget budget;
  if (delta.status == Status::kNotMeasured || !(delta.window_s > 0)) return budget;
  Gathered all;
  for (std::size_t i = 0; i < info.domains.size() && i < delta.domains.size(); ++i) {
    const DomainEnergy& energy = delta.domains[i];
    if (!energy.included || !energy.measured) continue;
    gather(all, info, i, delta, cpu_vendor);
  }
  double gain_square = 0, model_square = 0;
  for (const auto& [sensor, joules] : all.joules) {
    const double gain = gain_u_j(gain_assumed(sensor), joules);
    const double model = gain_u_j(model_assumed(sensor), joules);
    gain_square += gain * gain;
    model_square += model * model;
  }
  budget.terms = {{"quantum", std::sqrt(all.quantum_square), false},
                  {"edges", std::sqrt(all.edges_square), false},
                  {"truncation", all.truncation_j, true},
                  {"gain", std::sqrt(gain_square), true},
                  {"model", std::sqrt(model_square), false}};
  std::erase_if(budget.terms, [](const UncertaintyTerm& term) { return term.u_j == 0; });
  return budget;
}

EnergyDelta stop_with_budget(EnergyMeter& meter, const std::string& cpu_vendor) {
  EnergyDelta delta = meter.stop();
  if (delta.status != Status::kMeasured) return delta;
  const UncertaintyBudget budget = window_budget(*meter.info(), delta, cpu_vendor);
  delta.u_abs_j = budget.absolute_j();
  delta.u_cmp_j = budget.comparative_j();
  return delta;
}

std::vector<std::string> budget_assumptions(const SourceInfo& info, const std::string& cpu_vendor) {
  std::vector<std::string> clauses;
  for (std::size_t i = 0; i < info.domains.size(); ++i) {
    if (!info.domains[i].included) continue;
    const SensorClass sensor = sensor_class(info, i, cpu_vendor);
    std::string clause = percent(gain_assumed(sensor)) + " gain (" + name(sensor) + ")";
    if (model_assumed(sensor) > 0) {
      clause += " and " + percent(model_assumed(sensor)) +
                " for what its model of the hardware may miss, which does not cancel in a ratio";
    }
    if (std::find(clauses.begin(), clauses.end(), clause) == clauses.end()) {
      clauses.push_back(std::move(clause));
    }
  }
  return clauses;
}

}  // namespace tern::energy
