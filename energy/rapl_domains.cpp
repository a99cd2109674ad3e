#include "energy/rapl_domains.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>

namespace tern::energy {
namespace {

constexpr int kLooks = 100;  // with the default pause: 200 ms, a hundred times what a counter needs

std::string dram_coverage(std::span<const Domain> domains, const std::set<int>& packages) {
  bool exists = false;
  std::set<int> covered;
  for (const Domain& domain : domains) {
    if (domain.kind != DomainKind::kDram) continue;
    exists = exists || domain.included || !domain.measurable;
    if (domain.included) covered.insert(domain.package);
  }
  if (!exists) return ", no dram domain";
  if (covered.empty()) return ", dram not measurable";
  if (covered == packages) return " + dram";
  return " + dram of " + std::to_string(covered.size());
}

}  // namespace

std::string exclusion(DomainKind kind) {
  switch (kind) {
    case DomainKind::kPackage:
    case DomainKind::kDram:
      return "";
    case DomainKind::kPsys:
      return "contains the packages";
    case DomainKind::kCore:
    case DomainKind::kUncore:
      return "inside the package";
    default:
      return "a zone of unknown meaning";
  }
}

void refuse(Domain& domain, const std::string& why) {
  domain.measurable = false;
  domain.included = false;
  domain.why_excluded = "not measurable: " + why;
}

bool any_package(std::span<const Domain> domains) noexcept {
  return std::any_of(domains.begin(), domains.end(), [](const Domain& domain) {
    return domain.included && domain.kind == DomainKind::kPackage;
  });
}

std::string exclusions(std::span<const Domain> domains) {
  std::string text;
  for (const Domain& domain : domains) {
    if (domain.included) continue;
    text += (text.empty() ? "" : "; ") + domain.name + ": " + domain.why_excluded;
  }
  return text;
}

std::vector<std::size_t> find_unmoved(EnergySource& source, const std::function<void()>& pause) {
  const std::vector<Domain>& domains = source.info().domains;
  std::vector<Reading> first(domains.size());
  std::vector<Reading> now(domains.size());
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    if (domains[i].included) waiting.push_back(i);
  }
  source.read(first);
  for (int look = 0; look < kLooks && !waiting.empty(); ++look) {
    if (pause) {
      pause();
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    source.read(now);
    std::erase_if(waiting,
                  [&](std::size_t i) { return now[i].error == 0 && now[i].raw != first[i].raw; });
  }
  return waiting;
}

std::string rapl_coverage(std::span<const Domain> domains, const PackageTopology& topology) {
  std::set<int> packages;
  std::set<std::pair<int, int>> dies;
  for (const Domain& domain : domains) {
    if (!domain.included || domain.kind != DomainKind::kPackage) continue;
    packages.insert(domain.package);
    if (domain.die >= 0) dies.insert({domain.package, domain.die});
  }
  const std::string found = std::to_string(packages.size());
  std::string text = topology.packages.empty()
                         ? found + " packages (of an unknown number)"
                         : found + " of " + std::to_string(topology.packages.size()) + " packages";
  if (!dies.empty() && !topology.dies.empty()) {
    text += " (" + std::to_string(dies.size()) + " of " + std::to_string(topology.dies.size()) +
            " dies)";
  }
  return text + dram_coverage(domains, packages);
}

}  // namespace tern::energy
