#include "harness/doctor.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>

#include "energy/dram_counters.h"
#include "energy/energy_source.h"
#include "energy/perf_counters.h"

namespace tern::harness {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kUnmask =
    "in Docker, when starting the container: docker run --user root --security-opt "
    "systempaths=unconfined ...\n"
    "in Podman, when starting the container: podman run --user root --security-opt "
    "unmask=/sys/devices/virtual/powercap ...";

// Where this process runs, from environment_snapshot's words: "none", "kvm", "kvm, container".
struct Place {
  std::string host;  // the hypervisor; empty on bare metal
  bool container = false;
};

Place place_of(const json& environment) {
  constexpr std::string_view kContainer = "container";
  std::string text = environment.value("virtualization", "none");
  Place place;
  place.container = text.ends_with(kContainer);
  const std::size_t comma = text.find(", ");
  if (text != "none" && text != kContainer) place.host = text.substr(0, comma);
  return place;
}

bool is_denied(const std::string& why) {
  return why.find("denied") != std::string::npos || why.find("not permitted") != std::string::npos;
}

// Docker and Podman lay an empty folder over the zones and leave the links to them.
bool powercap_is_masked(const std::string& sysroot) {
  const fs::path folder = fs::path(sysroot) / "sys/class/powercap";
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (!entries->path().filename().string().starts_with("intel-rapl:")) continue;
    if (!fs::exists(entries->path() / "name", ignored)) return true;
  }
  return false;
}

void add_line(json& row, const std::string& line) {
  const std::string remedy = row.at("remedy");
  row["remedy"] = remedy.empty() ? line : remedy + "\n" + line;
}

// A permission is a permission anywhere. Otherwise hardware that is not there has no remedy inside
// a virtual machine, and loading a driver is none there.
void fit_to_place(json& row, const Place& place, const std::string& sysroot) {
  const std::string why = row.at("why");
  const std::string remedy = row.at("remedy");
  if (is_denied(why)) {
    if (place.container && row.at("name") == "powercap") add_line(row, kUnmask);
    return;
  }
  if (place.container && row.at("name") == "powercap" && powercap_is_masked(sysroot)) {
    row["why"] = why + "; the container hides them (CVE-2020-8694)";
    row["remedy"] = kUnmask;
    return;
  }
  const bool hardware = remedy.empty() || remedy.starts_with("sudo modprobe");
  if (place.host.empty() || !hardware) return;
  row["why"] = why + "; inside a virtual machine (" + place.host +
               ") nothing that can be typed here changes that";
  row["remedy"] = "";
}

json meter_row(const energy::Probe& probe) {
  json row = {{"name", probe.name},
              {"usable", probe.source != nullptr},
              {"why", probe.why_not},
              {"remedy", probe.remedy}};
  if (!probe.source) return row;
  const energy::SourceInfo& info = probe.source->info();
  row["detail"] = info.detail;
  row["coverage"] = info.coverage;
  row["attributed"] = info.attributed;
  row["domains"] = json::array();
  for (const energy::Domain& domain : info.domains) {
    json fields = {{"name", domain.name}, {"included", domain.included}};
    if (!domain.why_excluded.empty()) fields["why"] = domain.why_excluded;
    row["domains"].push_back(std::move(fields));
  }
  return row;
}

void add_counters(json& rows, std::span<const energy::CounterInfo> counters, const char* group) {
  for (const energy::CounterInfo& counter : counters) {
    rows.push_back({{"name", counter.name},
                    {"group", group},
                    {"usable", counter.usable},
                    {"event", counter.event},
                    {"why", counter.why_not},
                    {"remedy", counter.remedy}});
  }
}

}  // namespace

json meter_rows(const std::string& sysroot, const json& environment) {
  const Place place = place_of(environment);
  json rows = json::array();
  for (const energy::Probe& probe : energy::probe_all(sysroot)) {
    rows.push_back(meter_row(probe));
    if (!probe.source) fit_to_place(rows.back(), place, sysroot);
  }
  return rows;
}

json counter_rows(const std::string& sysroot, const json& environment) {
  const int thread_id = static_cast<int>(::syscall(SYS_gettid));
  json rows = json::array();
  for (const auto& [set, group] : {std::pair(energy::CounterSet::kDefault, "default"),
                                   std::pair(energy::CounterSet::kDetail, "detail")}) {
    const energy::PerfCounters counters(std::span(&thread_id, 1), set);
    add_counters(rows, counters.counters(), group);
  }
  const energy::DramCounters dram(sysroot);
  add_counters(rows, dram.counters(), "memory");
  // A capability that the container's start can give is no remedy outside of one.
  if (!place_of(environment).container) {
    constexpr std::string_view kInContainer = "\nin a container,";
    for (json& row : rows) {
      const std::string remedy = row.at("remedy");
      row["remedy"] = remedy.substr(0, remedy.find(kInContainer));
    }
  }
  return rows;
}

}  // namespace tern::harness
