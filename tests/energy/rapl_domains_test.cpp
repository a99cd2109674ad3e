#include "energy/rapl_domains.h"

#include "tests/energy/simulated_rapl.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using tern::tests::rapl_domain;
using tern::tests::rapl_info;
using tern::tests::SimulatedRapl;

TEST_CASE("only packages and memory are summed, and memory alone is no total") {
  for (const DomainKind kind : {DomainKind::kPackage, DomainKind::kDram}) {
    CHECK(exclusion(kind).empty());
  }
  for (const DomainKind kind :
       {DomainKind::kPsys, DomainKind::kCore, DomainKind::kUncore, DomainKind::kOther}) {
    CHECK_FALSE(exclusion(kind).empty());
  }
  std::vector<Domain> domains = {rapl_domain("package-0/dram", DomainKind::kDram, 0)};
  CHECK_FALSE(any_package(domains));
  domains.push_back(rapl_domain("package-0", DomainKind::kPackage, 0));
  CHECK(any_package(domains));
  refuse(domains[1], "it vanished");
  CHECK_FALSE(any_package(domains));
  CHECK(exclusions(domains) == "package-0: not measurable: it vanished");
}

TEST_CASE("included domains that never move are found, the others are not waited for") {
  SourceInfo info = rapl_info({rapl_domain("package-0", DomainKind::kPackage, 0),
                               rapl_domain("package-0/dram", DomainKind::kDram, 0),
                               rapl_domain("psys", DomainKind::kPsys, -1)});
  info.domains[2].included = false;
  SimulatedRapl source(info, {{}, {.power_w = 0}, {.power_w = 0}});
  CHECK(find_unmoved(source, [&] { source.pass(2e-3); }) == std::vector<std::size_t>{1});
  SimulatedRapl failing(info, {{.error = 5}, {}, {}});
  CHECK(find_unmoved(failing, [&] { failing.pass(2e-3); }) == std::vector<std::size_t>{0});
}
