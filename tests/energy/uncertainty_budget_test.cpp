#include "energy/uncertainty_budget.h"

#include <cmath>
#include <random>

#include "tests/support/catch.h"

using namespace tern::energy;

namespace {

Domain rapl(const std::string& name, DomainKind kind, std::uint64_t modulus) {
  Domain domain;
  domain.name = name;
  domain.kind = kind;
  domain.joules_per_count = 1e-6;
  domain.modulus = modulus;
  domain.update_s = 1e-3;
  domain.included = kind == DomainKind::kPackage || kind == DomainKind::kDram;
  return domain;
}

constexpr std::uint64_t kIntel = 262143328850 + 61;  // units of 61035 nJ
constexpr std::uint64_t kAmd = 65532610987 + 15;     // units of 15258 nJ
constexpr std::uint64_t kServerDram = 65712999613 + 15;

SourceInfo source(std::vector<Domain> domains) {
  SourceInfo info;
  info.name = "powercap";
  info.domains = std::move(domains);
  return info;
}

EnergyDelta measured(const SourceInfo& info, const std::vector<double>& joules, double window_s) {
  EnergyDelta delta;
  delta.status = Status::kMeasured;
  delta.window_s = window_s;
  for (std::size_t i = 0; i < info.domains.size(); ++i) {
    delta.domains.push_back({info.domains[i].name, true, joules[i], info.domains[i].included, ""});
    if (info.domains[i].included) delta.total_joules += joules[i];
  }
  return delta;
}

double term(const UncertaintyBudget& budget, const std::string& name) {
  for (const UncertaintyTerm& term : budget.terms) {
    if (term.name == name) return term.u_j;
  }
  return 0;
}

}  // namespace

// The worked column of energy.md section 3.4: 200 W, 30 s, RAPL that moves every millisecond.
TEST_CASE("the terms of a window of 200 W and 30 s are those worked out by hand") {
  CHECK(quantum_u_j(61.03515625e-6) == Approx(2.4917e-5).epsilon(1e-4));
  CHECK(edges_u_j(200, 1e-3) == Approx(0.0816497).epsilon(1e-5));
  CHECK(edges_u_j(200, 1e-6) == Approx(8.16497e-5).epsilon(1e-5));
  CHECK(truncation_u_j(5.2e-5, 6000) == Approx(0.312));
  CHECK(idle_mean_u_j(0.5, 1, 30) == Approx(15));
  CHECK(idle_mean_u_j(0.5, 4, 30) == Approx(7.5));
  CHECK(idle_drift_u_j(1, 30) == Approx(8.66025).epsilon(1e-5));
  CHECK(idle_drift_u_j(-1, 30) == Approx(8.66025).epsilon(1e-5));
  CHECK(gain_u_j(0.03, 6000) == Approx(180));
  CHECK(root_sum_of_squares(std::vector<double>{3, 4, 12}) == Approx(13));
}

// Windows that begin anywhere between two updates, 100 to 101 updates long.
TEST_CASE("the edge term is the scatter of a counter that moves in steps") {
  constexpr double kUpdate_s = 1e-3, kPower_w = 200;
  constexpr int kWindows = 200'000;
  std::mt19937_64 random(20240229);
  std::uniform_real_distribution<double> phase(0, 1);
  double sum = 0, squares = 0;
  for (int i = 0; i < kWindows; ++i) {
    const double begin = phase(random), end = begin + 100 + phase(random);  // in updates
    const double counted_j = (std::floor(end) - std::floor(begin)) * kUpdate_s * kPower_w;
    const double error_j = counted_j - (end - begin) * kUpdate_s * kPower_w;
    sum += error_j;
    squares += error_j * error_j;
  }
  const double mean_j = sum / kWindows;
  const double stddev_j = std::sqrt(squares / kWindows - mean_j * mean_j);
  CHECK(std::abs(mean_j) < 0.001);
  CHECK(stddev_j == Approx(edges_u_j(kPower_w, kUpdate_s)).epsilon(0.01));
}

TEST_CASE("a unit cut to whole nanojoules is told from one that is exact or no power of two") {
  CHECK(counter_quantum_j(rapl("package-0", DomainKind::kPackage, kIntel)) == Approx(61.035e-6));
  CHECK(truncation_share(rapl("package-0", DomainKind::kPackage, kIntel)) ==
        Approx(2.56e-6).epsilon(0.01));
  CHECK(truncation_share(rapl("package-0", DomainKind::kPackage, kAmd)) ==
        Approx(5.17e-5).epsilon(0.01));
  CHECK(truncation_share(rapl("package-0/dram", DomainKind::kDram, kServerDram)) == 0);
  const Domain twelve = rapl("package-0", DomainKind::kPackage, std::uint64_t{12} << 32);
  CHECK(truncation_share(twelve) == 0);  // 12 uJ are a unit of their own
  Domain corrected = rapl("package-0", DomainKind::kPackage, kAmd);
  corrected.joules_per_count *= 15.2587890625 / 15.258;
  CHECK(truncation_share(corrected) < 1e-9);
  Domain perf = rapl("package-0", DomainKind::kPackage, 0);
  perf.joules_per_count = 0x1p-32;
  CHECK(truncation_share(perf) == 0);
  CHECK(counter_quantum_j(perf) == 0x1p-14);
  perf.kind = DomainKind::kRail;
  CHECK(counter_quantum_j(perf) == 0x1p-32);
}

TEST_CASE("an Intel server's budget: gains cancel in a comparison, edges do not") {
  const SourceInfo info = source({rapl("package-0", DomainKind::kPackage, kIntel),
                                  rapl("package-1", DomainKind::kPackage, kIntel),
                                  rapl("package-0/dram", DomainKind::kDram, kServerDram),
                                  rapl("psys", DomainKind::kPsys, kIntel)});
  const EnergyDelta delta = measured(info, {3000, 2000, 400, 9000}, 30);
  const UncertaintyBudget budget = window_budget(info, delta, "GenuineIntel");
  // Two packages share one gain, so theirs add up: 0.03 · 5000; memory has 0.10 · 400 of its own.
  CHECK(term(budget, "gain") == Approx(std::hypot(150, 40)));
  // 100 W, 66.7 W and 13.3 W, a millisecond each, independent.
  const double edge_w = std::sqrt(100.0 * 100 + 200.0 / 3 * 200 / 3 + 40.0 / 3 * 40 / 3);
  CHECK(term(budget, "edges") == Approx(edge_w * 1e-3 / std::sqrt(6.0)));
  CHECK(term(budget, "model") == 0);
  CHECK(term(budget, "truncation") == Approx(5000 * 2.56e-6).epsilon(0.01));
  CHECK(budget.comparative_j() ==
        Approx(std::hypot(term(budget, "edges"), term(budget, "quantum"))));
  CHECK(budget.absolute_j() == Approx(155.242).epsilon(1e-4));
  CHECK(budget.comparative_j() < 0.06);

  EnergyDelta sharp = delta;
  sharp.edge_s = 1e-6;
  const UncertaintyBudget aligned = window_budget(info, sharp, "GenuineIntel");
  CHECK(term(aligned, "edges") == Approx(edge_w * 1e-6 / std::sqrt(6.0)));
}

TEST_CASE("an integral of power has what its sampling left unknown instead of edges and quanta") {
  Domain rail;
  rail.name = "VDD_IN";
  rail.kind = DomainKind::kRail;
  rail.quantity = Quantity::kPower;
  rail.included = true;
  const SourceInfo info = source({rail});
  EnergyDelta delta = measured(info, {1000}, 10);
  delta.domains[0].integrated = true;
  delta.domains[0].sampling_u_joules = 7;
  const UncertaintyBudget budget = window_budget(info, delta, "ARM");
  CHECK(term(budget, "edges") == 7);
  CHECK(term(budget, "quantum") == 0);
  CHECK(term(budget, "truncation") == 0);
  CHECK(budget.comparative_j() == 7);
}

TEST_CASE("AMD's modelled counter keeps a term that does not cancel") {
  const SourceInfo info = source({rapl("package-0", DomainKind::kPackage, kAmd)});
  const UncertaintyBudget budget = window_budget(info, measured(info, {1000}, 10), "AuthenticAMD");
  CHECK(term(budget, "gain") == Approx(100));
  CHECK(term(budget, "model") == Approx(50));
  CHECK(budget.comparative_j() == Approx(50).epsilon(1e-4));
  CHECK(budget.absolute_j() == Approx(std::hypot(100, 50)).epsilon(1e-4));
}

TEST_CASE("sensors are classed by kind, names and the maker of the CPU") {
  const auto class_of = [](std::vector<Domain> domains, const std::string& vendor,
                           const std::string& source_name = "powercap") {
    SourceInfo info = source(std::move(domains));
    info.name = source_name;
    return sensor_class(info, 0, vendor);
  };
  const Domain package = rapl("package-0", DomainKind::kPackage, kIntel);
  const Domain dram = rapl("package-0/dram", DomainKind::kDram, kIntel);
  const Domain uncore = rapl("package-0/uncore", DomainKind::kUncore, kIntel);
  CHECK(class_of({package, dram}, "GenuineIntel") == SensorClass::kIntelServer);
  CHECK(class_of({package, dram, uncore}, "GenuineIntel") == SensorClass::kIntelClient);
  CHECK(class_of({package}, "GenuineIntel") == SensorClass::kIntelClient);
  CHECK(class_of({package}, "AuthenticAMD") == SensorClass::kAmd);
  CHECK(class_of({package}, "") == SensorClass::kUnknown);
  CHECK(class_of({dram, package}, "AuthenticAMD") == SensorClass::kDram);
  const Domain rail = rapl("VDD_IN", DomainKind::kRail, 0);
  CHECK(class_of({rail}, "", "hwmon ina3221") == SensorClass::kInaRail);
  CHECK(class_of({rapl("Grace Power Socket 0", DomainKind::kRail, 0)}, "", "hwmon") ==
        SensorClass::kGrace);
  CHECK(class_of({rail}, "", "hwmon") == SensorClass::kUnknown);
  const Domain wall = rapl("mains", DomainKind::kWall, 0);
  CHECK(class_of({wall}, "GenuineIntel", "shelly") == SensorClass::kPlug);
  CHECK(class_of({wall}, "GenuineIntel", "PTDaemon log") == SensorClass::kAnalyser);
}

TEST_CASE("the assumed gains are those that are printed") {
  const SourceInfo intel = source({rapl("package-0", DomainKind::kPackage, kIntel),
                                   rapl("package-1", DomainKind::kPackage, kIntel),
                                   rapl("package-0/dram", DomainKind::kDram, kServerDram)});
  CHECK(budget_assumptions(intel, "GenuineIntel") ==
        std::vector<std::string>{"3 % gain (Intel server package)", "10 % gain (memory)"});
  const SourceInfo amd = source({rapl("package-0", DomainKind::kPackage, kAmd)});
  REQUIRE(budget_assumptions(amd, "AuthenticAMD").size() == 1);
  CHECK_THAT(budget_assumptions(amd, "AuthenticAMD")[0],
             Catch::Contains("10 % gain (AMD package) and 5 %"));
}

TEST_CASE("what was not measured has no budget") {
  const SourceInfo info = source({rapl("package-0", DomainKind::kPackage, kIntel)});
  EnergyDelta delta = measured(info, {1000}, 10);
  delta.status = Status::kNotMeasured;
  CHECK(window_budget(info, delta, "GenuineIntel").terms.empty());
}
