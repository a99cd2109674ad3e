#include "energy/scmi_powercap_source.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "energy/platform.h"
#include "energy/sensor_reader.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "scmi-powercap";
constexpr std::string_view kPrefix = "arm-scmi:";
constexpr double kUsualAveraging_s = 0.1;

// arm-scmi:1:0:2 is {1, 0, 2}: zone 2 in zone 0 in zone 1.
using ZoneId = std::vector<int>;

std::optional<ZoneId> parse_zone_id(std::string_view name) {
  constexpr std::size_t kDeepest = 16;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  ZoneId id;
  while (id.size() < kDeepest) {
    int number = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, number);
    if (error != std::errc() || number < 0) return std::nullopt;
    id.push_back(number);
    if (stop == end) return id;
    if (*stop != ':') return std::nullopt;
    name.remove_prefix(static_cast<std::size_t>(stop - name.data()) + 1);
  }
  return std::nullopt;
}

std::string directory_name(const ZoneId& id) {
  std::string name(kPrefix.substr(0, kPrefix.size() - 1));
  for (const int number : id) name += ":" + std::to_string(number);
  return name;
}

// The firmware's averaging interval is the time window of the zone's constraint.
double averaging_s(const fs::path& directory) {
  constexpr std::uint64_t kLongest_us = 3'600'000'000;
  const auto window_us =
      parse_count(read_small_file((directory / "constraint_0_time_window_us").string()).text);
  if (!window_us || *window_us == 0 || *window_us > kLongest_us) return kUsualAveraging_s;
  return static_cast<double>(*window_us) * 1e-6;
}

std::string zone_name(const fs::path& directory, const ZoneId& id) {
  constexpr std::size_t kLongest = 64;
  std::string name = read_small_file((directory / "name").string()).text.substr(0, kLongest);
  for (char& c : name) {
    if (c < ' ' || c > '~') c = '?';
  }
  return directory_name(id) + (name.empty() ? "" : "/" + name);
}

Domain read_zone(const fs::path& directory, const ZoneId& id, const SensorReader& reader) {
  Domain domain;
  domain.name = zone_name(directory, id);
  domain.kind = DomainKind::kRail;
  pace_power(domain, averaging_s(directory));
  domain.no_data = "the firmware has no reading of this zone";
  if (id.size() > 1) domain.why_excluded = "inside " + directory_name({id[0]});
  const std::string defect = reader.defect();
  if (!defect.empty()) {
    domain.measurable = false;
    domain.why_excluded = "not measurable: " + defect;
  }
  domain.included = domain.why_excluded.empty();
  return domain;
}

std::string listed(const std::vector<Domain>& domains, bool included) {
  std::string text;
  for (const Domain& domain : domains) {
    if (domain.included != included) continue;
    text += text.empty() ? "" : included ? " + " : "; ";
    text += domain.name + (included ? "" : ": " + domain.why_excluded);
  }
  return text;
}

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

}  // namespace

Probe probe_scmi_powercap(const std::string& sysroot) {
  const std::string directory = under_root(sysroot, "sys/class/powercap");
  std::error_code error;
  std::set<ZoneId> ids;  // parents before their children
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (auto id = parse_zone_id(entries->path().filename().string())) ids.insert(std::move(*id));
  }
  if (ids.empty()) {
    if (error && error.value() != ENOENT) {
      return refused("cannot list " + directory + ": " + error_text(error.value()));
    }
    return refused(directory +
                       " has no arm-scmi zone: not an ARM system whose firmware reports "
                       "power this way, or its driver is not loaded",
                   cpu_vendor(sysroot) == "arm"
                       ? "where the firmware does: sudo modprobe arm_scmi_powercap"
                       : "");
  }
  SourceInfo info;
  std::vector<SensorReader> readers;
  std::string remedy;
  for (const ZoneId& id : ids) {
    const fs::path zone = fs::path(directory) / directory_name(id);
    const std::string path = (zone / "power_uw").string();
    readers.emplace_back(path, "");
    info.domains.push_back(read_zone(zone, id, readers.back()));
    const int denied = readers.back().open_error();
    if (denied == EACCES || denied == EPERM) remedy = "sudo chmod a+r " + path;
  }
  const std::string roots = listed(info.domains, true);
  if (roots.empty()) {
    return refused("no usable zone under " + directory + ": " + listed(info.domains, false),
                   remedy);
  }
  info.name = kName;
  info.detail = directory;
  info.coverage = roots + ", as the firmware names it";
  info.attributed = is_virtual_machine(sysroot);
  return {kName, std::make_unique<SensorSource>(std::move(info), std::move(readers)), "", ""};
}

}  // namespace tern::energy
