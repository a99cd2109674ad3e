#include "energy/powercap_zones.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

#include "energy/rapl_domains.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kCounterMax = 0xFFFFFFFF;  // RAPL counters have 32 bits

// A package's own limit, with a margin, is its ceiling; limits of 4090 W mean "unlimited".
constexpr double kLeastPackage_w = 50;
constexpr double kLimitMargin = 1.5;

// The doors to the counters of one package, most usual first. Linux registers TPMI's zones under
// the MSRs' own name; the others may repeat what is there already.
constexpr std::array<std::string_view, 3> kInterfaces = {
    "intel-rapl:", "intel-rapl-tpmi:", "intel-rapl-mmio:"};

// intel-rapl:1:2 is {0, 1, 2}; intel-rapl:1 is {0, 1, -1}. Sorts parents before their children.
struct ZoneId {
  std::size_t interface = 0;
  int zone = -1;
  int child = -1;
  auto operator<=>(const ZoneId&) const = default;
};

std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<ZoneId> parse_zone_id(std::string_view name) {
  ZoneId id;
  while (id.interface < kInterfaces.size() && !take(name, kInterfaces[id.interface])) {
    ++id.interface;
  }
  if (id.interface == kInterfaces.size()) return std::nullopt;
  const auto zone = take_number(name);
  if (!zone) return std::nullopt;
  id.zone = *zone;
  if (take(name, ":")) {
    const auto child = take_number(name);
    if (!child) return std::nullopt;
    id.child = *child;
  }
  if (!name.empty()) return std::nullopt;
  return id;
}

std::string directory_name(const ZoneId& id) {
  std::string name(kInterfaces[id.interface]);
  name += std::to_string(id.zone);
  if (id.child >= 0) name += ":" + std::to_string(id.child);
  return name;
}

struct ZoneName {
  DomainKind kind = DomainKind::kOther;
  int package = -1;
  int die = -1;
};

// package-N, package-N-die-M, or one of the fixed words.
ZoneName parse_zone_name(std::string_view name) {
  if (name == "psys") return {DomainKind::kPsys};
  if (name == "core") return {DomainKind::kCore};
  if (name == "uncore") return {DomainKind::kUncore};
  if (name == "dram") return {DomainKind::kDram};
  if (!take(name, "package-")) return {};
  const auto package = take_number(name);
  if (!package) return {};
  if (name.empty()) return {DomainKind::kPackage, *package};
  if (!take(name, "-die-")) return {};
  const auto die = take_number(name);
  if (!die || !name.empty()) return {};
  return {DomainKind::kPackage, *package, *die};
}

double package_ceiling_w(const fs::path& directory) {
  const auto limit_uw =
      parse_count(read_small_file((directory / "constraint_1_power_limit_uw").string()).text);
  if (!limit_uw || *limit_uw == 0) return kMostPackage_w;
  return std::clamp(static_cast<double>(*limit_uw) * 1e-6 * kLimitMargin, kLeastPackage_w,
                    kMostPackage_w);
}

double ceiling_w(DomainKind kind, const fs::path& directory, const PowercapZone* parent) {
  switch (kind) {
    case DomainKind::kPsys:
      return kMostPlatform_w;
    case DomainKind::kDram:
      return kMostDram_w;
    case DomainKind::kPackage:
      return package_ceiling_w(directory);
    default:
      return parent != nullptr ? parent->domain.max_power_w : kMostPackage_w;
  }
}

void read_range(const fs::path& directory, Domain& domain) {
  const std::string path = (directory / "max_energy_range_uj").string();
  const FileText file = read_small_file(path);
  if (file.error != 0) {
    return refuse(domain, "cannot read " + path + " (" + error_text(file.error) +
                              "), without which a wrap cannot be told from a reset");
  }
  const auto range = parse_count(file.text);
  if (!range || *range == 0 || *range > std::numeric_limits<std::uint64_t>::max() / 2) {
    return refuse(domain, path + " holds '" + file.text.substr(0, 32) +
                              "', expected a positive number of microjoules");
  }
  domain.modulus = modulus_of_range(*range);
  domain.joules_per_count = joules_per_microjoule_count(*range);
  // One count of the hardware at 1 W takes this long: psys of some servers counts whole joules.
  const double quantum_j = static_cast<double>(domain.modulus - *range) * 1e-6;
  domain.update_s = std::max(kRaplUpdate_s, quantum_j);
  domain.max_silence_s = kRaplSilentUpdates * domain.update_s;
  // Cores and graphics may truly draw nothing for long.
  if (domain.kind == DomainKind::kCore || domain.kind == DomainKind::kUncore) {
    domain.max_silence_s = std::numeric_limits<double>::infinity();
  }
}

// parent: the zone above, null for top-level zones and orphans.
PowercapZone read_zone(const fs::path& root, const ZoneId& id, const PowercapZone* parent) {
  const fs::path directory = root / directory_name(id);
  PowercapZone zone;
  zone.energy_path = (directory / "energy_uj").string();
  Domain& domain = zone.domain;
  const FileText label = read_small_file((directory / "name").string());
  if (label.error != 0 || label.text.empty()) {
    domain.name = directory_name(id);
    refuse(domain, "cannot read " + (directory / "name").string() + " (" +
                       (label.error != 0 ? error_text(label.error) : "empty") +
                       "); inside a container the zones are often masked");
    return zone;
  }
  const ZoneName name = parse_zone_name(label.text);
  domain.package = name.package >= 0 || parent == nullptr ? name.package : parent->domain.package;
  domain.die = name.die >= 0 || parent == nullptr ? name.die : parent->domain.die;
  domain.name = label.text;
  if (id.child >= 0) {
    const std::string above =
        parent != nullptr ? parent->domain.name : directory_name({id.interface, id.zone, -1});
    domain.name = above + "/" + label.text;
  }
  domain.kind = name.kind;
  domain.max_power_w = ceiling_w(name.kind, directory, parent);
  domain.why_excluded = exclusion(name.kind);
  domain.included = domain.why_excluded.empty();
  read_range(directory, domain);
  return zone;
}

// One quantity must not be added twice: another interface repeats the first one, under the same
// names or not (packages here, dies there), and two drivers may register one package under one
// name.
void exclude_repetition(const ZoneId& id, std::size_t first_interface, std::set<std::string>& seen,
                        PowercapZone& zone) {
  Domain& domain = zone.domain;
  const bool fresh = seen.insert(domain.name).second;
  if (fresh && id.interface == first_interface) return;
  domain.included = false;
  if (domain.measurable) {
    domain.why_excluded =
        fresh ? "of an interface that repeats the first one" : "repeats " + domain.name;
  }
  const std::string prefix = directory_name({id.interface, id.zone, -1});
  if (!domain.name.starts_with(prefix)) domain.name = prefix + "/" + domain.name;
}

}  // namespace

std::uint64_t modulus_of_range(std::uint64_t max_energy_range_uj) noexcept {
  return max_energy_range_uj + std::max<std::uint64_t>(1, max_energy_range_uj / kCounterMax);
}

double joules_per_microjoule_count(std::uint64_t max_energy_range_uj) noexcept {
  constexpr double kNanojoules = 1e9;
  constexpr int kLastUnit = 20;  // 2^-20 J, beyond every unit in use (2^-10 to 2^-16 J)
  for (int bits = 0; bits <= kLastUnit; ++bits) {
    const std::uint64_t cut_nj = 1'000'000'000 >> bits;
    if (kCounterMax * cut_nj / 1000 != max_energy_range_uj) continue;
    return 1e-6 * (std::ldexp(kNanojoules, -bits) / static_cast<double>(cut_nj));
  }
  return 1e-6;
}

ZoneListing list_powercap_zones(const std::string& directory) {
  ZoneListing listing;
  std::error_code error;
  std::set<ZoneId> ids;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (const auto id = parse_zone_id(entries->path().filename().string())) ids.insert(*id);
  }
  listing.error = error.value();
  std::set<std::string> seen;
  std::optional<PowercapZone> parent;
  ZoneId parent_id;
  for (const ZoneId& id : ids) {
    const ZoneId above{id.interface, id.zone, -1};
    const bool has_parent = id.child >= 0 && parent && parent_id == above;
    PowercapZone zone = read_zone(directory, id, has_parent ? &*parent : nullptr);
    if (id.child < 0) {
      parent = zone;
      parent_id = id;
    }
    exclude_repetition(id, ids.begin()->interface, seen, zone);
    listing.zones.push_back(std::move(zone));
  }
  return listing;
}

}  // namespace tern::energy
