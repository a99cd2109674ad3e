#pragma once
// What every reader of RAPL counters must agree on, whichever door of the kernel it uses: what
// belongs in the total, how much power is credible, whether a counter lives, and what the total
// covers.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "energy/energy_source.h"
#include "energy/platform.h"

namespace tern::energy {

// RAPL refreshes about every millisecond.
constexpr double kRaplUpdate_s = 1e-3;
constexpr double kRaplSilentUpdates = 100;

// Ceilings of credible power (energy.md section 8.1), for one package, its memory, and one machine.
constexpr double kMostPackage_w = 1000;
constexpr double kMostDram_w = 200;
constexpr double kMostPlatform_w = 4000;

// The nesting of energy.md section 1.9: why a kind is left out of the total; empty for those in it.
std::string exclusion(DomainKind kind);

// Takes the domain out of use, for a reason.
void refuse(Domain& domain, const std::string& why);

// Memory alone is no total worth the name.
bool any_package(std::span<const Domain> domains) noexcept;

// "package-0: why; package-0/dram: why" of all that is not included.
std::string exclusions(std::span<const Domain> domains);

// Looks at the source until every included domain has moved, at most a hundred times with a pause
// (2 ms unless given) between them: the included domains that never moved. A counter that lives
// moves every millisecond; one that the kernel only advertises stays at zero.
std::vector<std::size_t> find_unmoved(EnergySource& source, const std::function<void()>& pause);

// "2 of 2 packages + dram", "1 of 1 packages (1 of 2 dies), no dram domain": what the included
// domains cover of the machine.
std::string rapl_coverage(std::span<const Domain> domains, const PackageTopology& topology);

}  // namespace tern::energy
