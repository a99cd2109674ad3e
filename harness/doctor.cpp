#include "harness/doctor.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "energy/confinement.h"
#include "energy/cross_check.h"
#include "energy/dram_counters.h"
#include "energy/energy_source.h"
#include "energy/perf_counters.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// The hypervisor, from environment_snapshot's words ("none", "container", "kvm, container"); empty
// on bare metal.
std::string host_of(const json& environment) {
  const std::string text = environment.value("virtualization", "none");
  if (text == "none" || text == "container") return "";
  return text.substr(0, text.find(", "));
}

bool is_denied(const std::string& why) {
  return why.find("denied") != std::string::npos || why.find("not permitted") != std::string::npos;
}

// Who is root of a container is not root of its host, where drivers and files belong.
std::string on_the_host(const std::string& remedy) {
  return remedy.starts_with("sudo ") ? "on the host: " + remedy : remedy;
}

// Hardware that is not there has no remedy inside a virtual machine, and loading a driver is none
// there. A permission is a permission anywhere, and so is what a container hides.
void fit_to_place(json& row, const std::string& host) {
  const std::string why = row.at("why");
  const std::string remedy = row.at("remedy");
  const bool hardware = remedy.empty() || remedy.starts_with("sudo modprobe");
  if (host.empty() || is_denied(why) || !hardware) return;
  row["why"] =
      why + "; inside a virtual machine (" + host + ") nothing that can be typed here changes that";
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

// What reading both doors to RAPL together once showed, in the rows of both.
void add_cross_check(json& rows, std::span<const energy::Probe> probes) {
  const std::string why_not = energy::why_not_compared(probes);
  for (std::size_t i = 0; i < probes.size(); ++i) {
    const bool perf = probes[i].name == "perf";
    if (!perf && probes[i].name != "powercap") continue;
    json check = {{"with", perf ? "powercap" : "perf"}};
    if (!why_not.empty()) {
      check["verdict"] = "not_compared";
      check["why"] = why_not;
    } else {
      check["verdict"] = probes[i].disagrees ? "disagree" : "agree";
      check["text"] = probes[i].cross_check;
    }
    rows[i]["cross_check"] = std::move(check);
  }
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
  return meter_rows(energy::probe_all(sysroot), sysroot, environment);
}

json meter_rows(std::span<const energy::Probe> probes, const std::string& sysroot,
                const json& environment) {
  const std::string host = host_of(environment);
  const bool enclosed = energy::read_confinement(sysroot).enclosed();
  json rows = json::array();
  for (const energy::Probe& probe : probes) {
    rows.push_back(meter_row(probe));
    if (!probe.source) fit_to_place(rows.back(), host);
    if (enclosed) rows.back()["remedy"] = on_the_host(rows.back()["remedy"]);
  }
  add_cross_check(rows, probes);
  return rows;
}

json counter_rows(const std::string& sysroot) {
  const int thread_id = static_cast<int>(::syscall(SYS_gettid));
  json rows = json::array();
  for (const auto& [set, group] : {std::pair(energy::CounterSet::kDefault, "default"),
                                   std::pair(energy::CounterSet::kDetail, "detail")}) {
    const energy::PerfCounters counters(std::span(&thread_id, 1), set);
    add_counters(rows, counters.counters(), group);
  }
  const energy::DramCounters dram(sysroot);
  add_counters(rows, dram.counters(), "memory");
  return rows;
}

json remedy_rows(const std::string& sysroot, const json& environment, bool meters, bool counters) {
  json rows = json::array();
  const auto add = [&](const json& row, const std::string& name) {
    if (row.at("usable") || row.at("remedy").get<std::string>().empty()) return;
    rows.push_back({{"name", name}, {"why", row.at("why")}, {"remedy", row.at("remedy")}});
  };
  if (meters) {
    for (const json& row : meter_rows(sysroot, environment)) {
      add(row, "meter " + row.at("name").get<std::string>());
    }
  }
  if (counters) {
    for (const json& row : counter_rows(sysroot)) {
      if (row.at("group") == "default") add(row, row.at("name"));
    }
  }
  return rows;
}

}  // namespace tern::harness
