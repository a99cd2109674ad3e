#include "energy/perf_power_pmu.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFirstDynamicType = 6;  // PERF_TYPE_MAX: below are cycles and the like
constexpr std::size_t kMostEvents = 64;

std::string expected(const std::string& path, const FileText& file, const std::string& what) {
  if (file.error != 0) return "cannot read " + path + " (" + error_text(file.error) + ")";
  return path + " holds '" + file.text.substr(0, 32) + "', expected " + what;
}

DomainKind kind_of(std::string_view event) {
  if (event == "energy-pkg") return DomainKind::kPackage;
  if (event == "energy-ram") return DomainKind::kDram;
  if (event == "energy-cores" || event == "energy-core") return DomainKind::kCore;
  if (event == "energy-gpu") return DomainKind::kUncore;
  if (event == "energy-psys") return DomainKind::kPsys;
  return DomainKind::kOther;
}

// The first bit of "config:0-7".
std::optional<unsigned> parse_shift(std::string_view format) {
  constexpr std::string_view kField = "config:";
  if (!format.starts_with(kField)) return std::nullopt;
  const auto first = parse_count(format.substr(kField.size(), format.find('-') - kField.size()));
  if (!first || *first > 63) return std::nullopt;
  return static_cast<unsigned>(*first);
}

// The scale as the kernel writes it: digits, a point, an exponent.
std::optional<double> parse_scale(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  // More than a joule per count would be no meter.
  if (error != std::errc() || stop != end || !(value > 0) || value > 1) return std::nullopt;
  return value;
}

PowerEvent read_event(const fs::path& events, const std::string& name, unsigned shift) {
  PowerEvent event;
  event.name = name;
  event.kind = kind_of(name);
  const auto refused = [&](const std::string& path, const FileText& file, const char* what) {
    event.why_not = expected(path, file, what);
    return event;
  };
  const std::string path = (events / name).string();
  const FileText term = read_small_file(path);
  const std::string_view text = term.text;
  constexpr std::string_view kTerm = "event=";
  const auto number =
      text.starts_with(kTerm) ? parse_number(text.substr(kTerm.size())) : std::nullopt;
  if (!number || *number > 0xFF) return refused(path, term, "event=0x02 or the like");
  event.config = *number << shift;
  const FileText unit = read_small_file(path + ".unit");
  if (unit.text != "Joules") return refused(path + ".unit", unit, "Joules");
  const FileText scale = read_small_file(path + ".scale");
  const auto joules = parse_scale(scale.text);
  if (!joules) return refused(path + ".scale", scale, "the joules of one count, such as 2.3e-10");
  event.joules_per_count = *joules;
  return event;
}

std::vector<PowerEvent> read_events(const fs::path& directory, unsigned shift) {
  std::error_code error;
  std::set<std::string> names;
  fs::directory_iterator entries(directory / "events", error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (name.starts_with("energy-") && name.find('.') == std::string::npos) {
      names.insert(std::move(name));
    }
    if (names.size() == kMostEvents) break;
  }
  std::vector<PowerEvent> events;
  for (const std::string& name : names) {
    events.push_back(read_event(directory / "events", name, shift));
  }
  const auto rank = [](const PowerEvent& event) {
    if (event.kind == DomainKind::kPackage) return 0;
    return event.kind == DomainKind::kDram ? 1 : 2;
  };
  std::stable_sort(events.begin(), events.end(),
                   [&](const PowerEvent& a, const PowerEvent& b) { return rank(a) < rank(b); });
  return events;
}

}  // namespace

PowerPmu read_power_pmu(const std::string& directory) {
  PowerPmu pmu;
  pmu.directory = directory;
  const std::string type_path = directory + "/type";
  const FileText type = read_small_file(type_path);
  std::error_code error;
  pmu.exists = fs::is_directory(directory, error);
  const auto number = parse_count(type.text);
  if (!number || *number < kFirstDynamicType || *number > 0x7FFFFFFF) {
    pmu.why_not = expected(type_path, type, "the number of a PMU, at least 6");
    return pmu;
  }
  pmu.type = static_cast<std::uint32_t>(*number);
  const std::string mask_path = directory + "/cpumask";
  const FileText mask = read_small_file(mask_path);
  auto cpus = parse_cpu_list(mask.text);
  if (!cpus) {
    pmu.why_not = expected(mask_path, mask, "a list of CPUs such as 0,28");
    return pmu;
  }
  pmu.cpus = std::move(*cpus);
  const std::string format_path = directory + "/format/event";
  const FileText format = read_small_file(format_path);
  const auto shift = parse_shift(format.text);
  if (!shift) {
    pmu.why_not = expected(format_path, format, "config:0-7");
    return pmu;
  }
  pmu.events = read_events(directory, *shift);
  if (pmu.events.empty()) pmu.why_not = directory + "/events has no energy event";
  return pmu;
}

}  // namespace tern::energy
