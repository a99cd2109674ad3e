#include "energy/sysfs_pmu.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

namespace fs = std::filesystem;

// No machine has CPUs or bits with larger numbers; a garbled file does.
constexpr std::uint64_t kBits = 64;

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

struct Range {
  std::uint64_t first = 0, last = 0;
};

// "7" or "0-7", in ascending order.
std::optional<Range> parse_range(std::string_view text, std::uint64_t limit) {
  const std::size_t dash = text.find('-');
  const auto first = parse_count(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_count(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last >= limit) return std::nullopt;
  return Range{*first, *last};
}

std::uint64_t* field_of(PerfEvent& event, std::string_view name) {
  if (name == "config") return &event.config;
  if (name == "config1") return &event.config1;
  if (name == "config2") return &event.config2;
  return nullptr;
}

// Puts `value`, lowest bit first, into the bits that a format such as "config:0-7,32-35" lists.
bool place(PerfEvent& event, std::string_view format, std::uint64_t value) {
  std::uint64_t* const field = field_of(event, take_until(format, ':'));
  if (field == nullptr || format.empty()) return false;
  while (!format.empty()) {
    const auto range = parse_range(take_until(format, ','), kBits);
    if (!range) return false;
    for (std::uint64_t bit = range->first; bit <= range->last; ++bit) {
      *field |= (value & 1) << bit;
      value >>= 1;
    }
  }
  return value == 0;  // what is left did not fit
}

SysfsPmu read_pmu(const fs::path& directory) {
  SysfsPmu pmu;
  pmu.name = directory.filename().string();
  pmu.directory = directory.string();
  const auto type = parse_count(read_small_file((directory / "type").string()).text);
  if (!type || *type > UINT32_MAX) {
    pmu.why_not = (directory / "type").string() + " does not hold a number";
    return pmu;
  }
  pmu.type = static_cast<std::uint32_t>(*type);
  pmu.cpus = parse_cpu_list(read_small_file((directory / "cpumask").string()).text)
                 .value_or(std::vector<int>());
  if (pmu.cpus.empty()) pmu.why_not = (directory / "cpumask").string() + " names no CPU";
  return pmu;
}

void refuse(PerfEvent& event, std::string why) { event.why_not = std::move(why); }

}  // namespace

std::vector<SysfsPmu> numbered_pmus(const std::string& sysroot, std::string_view prefix) {
  std::vector<std::pair<std::uint64_t, fs::path>> found;
  std::error_code error;
  fs::directory_iterator entries(under_root(sysroot, "sys/bus/event_source/devices"), error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const auto number = parse_count(std::string_view(name).substr(prefix.size()));
    if (number) found.emplace_back(*number, entries->path());
  }
  std::sort(found.begin(), found.end());
  std::vector<SysfsPmu> pmus;
  for (const auto& [number, path] : found) pmus.push_back(read_pmu(path));
  return pmus;
}

PerfEvent encode_terms(const SysfsPmu& pmu, const std::string& name, std::string_view terms) {
  PerfEvent event;
  event.name = name;
  event.event = pmu.name + "/" + name + "/";
  event.type = pmu.type;
  if (terms.empty()) refuse(event, event.event + " has no terms");
  while (!terms.empty() && event.why_not.empty()) {
    std::string_view term = take_until(terms, ',');
    const std::string key(take_until(term, '='));
    const auto value = term.empty() ? 1 : parse_number(term);  // "inv" alone is a set bit
    // A term may also name the whole field.
    const std::string format = field_of(event, key) != nullptr
                                   ? key + ":0-63"
                                   : read_small_file(pmu.directory + "/format/" + key).text;
    if (!value || !place(event, format, *value)) {
      refuse(event, event.event + ": the term '" + key + "=" + std::string(term) +
                        "' has no place (format '" + format + "')");
    }
  }
  return event;
}

SysfsEvent read_sysfs_event(const SysfsPmu& pmu, const std::string& name) {
  const std::string path = pmu.directory + "/events/" + name;
  const FileText terms = read_small_file(path);
  SysfsEvent result;
  result.event = encode_terms(pmu, name, terms.text);
  if (terms.error != 0)
    refuse(result.event, "cannot read " + path + " (" + error_text(terms.error) + ")");
  result.unit = read_small_file(path + ".unit").text;
  const FileText scale = read_small_file(path + ".scale");
  if (scale.error != 0) return result;
  const char* const end = scale.text.data() + scale.text.size();
  const auto [stop, error] = std::from_chars(scale.text.data(), end, result.scale);
  if (error != std::errc() || stop != end || !(result.scale > 0) || !(result.scale < 1e300)) {
    refuse(result.event,
           path + ".scale holds '" + scale.text.substr(0, 32) + "', expected a positive number");
  }
  return result;
}

}  // namespace tern::energy
