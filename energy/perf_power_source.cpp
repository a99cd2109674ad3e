#include "energy/perf_power_source.h"

#include <unistd.h>

#include <cerrno>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "energy/perf_open.h"
#include "energy/perf_permission.h"
#include "energy/perf_power_pmu.h"
#include "energy/platform.h"
#include "energy/rapl_domains.h"
#include "energy/rapl_remedy.h"
#include "energy/stamp.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr const char* kName = "perf";
constexpr const char* kDevices = "sys/bus/event_source/devices/";

// The kernel extends its sums by the signed difference of 32-bit readings, and looks by itself
// often enough for 200 W only: 2^31 units between two looks count backwards. The finest unit of
// RAPL, 2^-16 J on AMD, makes half of that 16384 J (energy.md section 1.2).
constexpr double kSafe_j = 16384;

// One event on one CPU: its own leader, counted for every process, from the opening on.
class PowerCounter {
 public:
  PowerCounter(std::uint32_t type, std::uint64_t config, int cpu) {
    PerfEvent event;
    event.type = type;
    event.config = config;
    fd_ = open_perf_event(event, {.cpu = cpu}, {});
    if (fd_ < 0) error_ = -std::exchange(fd_, -1);
  }
  PowerCounter(PowerCounter&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), error_(other.error_) {}
  PowerCounter& operator=(PowerCounter&&) = delete;
  ~PowerCounter() {
    if (fd_ >= 0) ::close(fd_);
  }

  int open_error() const noexcept { return error_; }

  // 0 and the count, or an errno value; ENODATA when the event was not counted all the time (its
  // CPU went off line, or something else had the counter).
  int read(std::uint64_t& count) const noexcept {
    std::uint64_t words[3] = {};  // value, enabled, running
    const ssize_t got = ::read(fd_, words, sizeof words);
    if (got < 0) return errno;
    if (got != sizeof words || words[2] == 0 || words[2] != words[1]) return ENODATA;
    count = words[0];
    return 0;
  }

 private:
  int fd_ = -1;
  int error_ = 0;
};

class PerfPowerSource final : public EnergySource {
 public:
  PerfPowerSource() { info_.name = kName; }

  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override {
    for (std::size_t i = 0; i < readings.size() && i < counters_.size(); ++i) {
      readings[i] = read_one(i);
    }
  }
  Reading read_one(std::size_t domain) noexcept override;

  // Steps of the probe, in this order.
  void add(const PowerPmu& pmu, const std::string& sysroot);
  void add_cores(const PowerPmu& pmu, const std::string& sysroot);
  void expect_pace(bool live);
  void drop_unmoved(const std::function<void()>& pause);
  void finish(const std::string& sysroot, std::string directory);

  // The first refusal of the kernel to open a package's counter; 0: it refused none.
  int package_error() const noexcept { return package_error_; }
  const std::string& package_event() const noexcept { return package_event_; }

 private:
  void add_domain(const PowerPmu& pmu, const PowerEvent& event, std::span<const int> cpus,
                  Domain domain);

  std::vector<std::vector<PowerCounter>> counters_;  // of a domain; their sum is its count
  SourceInfo info_;
  int package_error_ = 0;
  std::string package_event_;
};

double ceiling_w(DomainKind kind) {
  if (kind == DomainKind::kPsys) return kMostPlatform_w;
  return kind == DomainKind::kDram ? kMostDram_w : kMostPackage_w;
}

std::string event_label(const PowerPmu& pmu, const PowerEvent& event) {
  const auto slash = pmu.directory.rfind('/');
  return pmu.directory.substr(slash + 1) + "/" + event.name + "/";
}

// Names are those of powercap, so that the two doors to one counter can be compared.
std::string child_name(const PowerEvent& event) {
  switch (event.kind) {
    case DomainKind::kPackage:
      return "";
    case DomainKind::kDram:
      return "/dram";
    case DomainKind::kCore:
      return event.name == "energy-core" ? "/cores" : "/core";
    case DomainKind::kUncore:
      return "/uncore";
    case DomainKind::kPsys:
      return "/psys";
    default:
      return "/" + event.name;
  }
}

// Where each CPU of the mask stands: one CPU per package needs no more than its package's number.
std::map<int, std::string> base_names(const std::vector<int>& cpus,
                                      const std::map<int, CpuPlace>& places) {
  std::map<int, int> answering;  // CPUs of a package
  std::set<std::pair<int, int>> dies;
  for (const int cpu : cpus) {
    const CpuPlace& place = places.at(cpu);
    ++answering[place.package];
    dies.insert({place.package, place.die});
  }
  std::map<int, std::string> names;
  for (const int cpu : cpus) {
    const CpuPlace& place = places.at(cpu);
    if (place.package < 0) {
      names[cpu] = "package-of-cpu-" + std::to_string(cpu);
      continue;
    }
    names[cpu] = "package-" + std::to_string(place.package);
    if (answering[place.package] == 1) continue;
    const bool told_apart = place.die >= 0 && dies.size() == cpus.size();
    names[cpu] += told_apart ? "-die-" + std::to_string(place.die) : "-cpu-" + std::to_string(cpu);
  }
  return names;
}

std::map<int, CpuPlace> places_of(const std::vector<int>& cpus, const std::string& sysroot) {
  std::map<int, CpuPlace> places;
  for (const int cpu : cpus) places[cpu] = read_cpu_place(sysroot, cpu);
  return places;
}

Reading PerfPowerSource::read_one(std::size_t domain) noexcept {
  Reading reading;
  const Stamp stamp;
  if (!info_.domains[domain].measurable) reading.error = ENODATA;
  for (const PowerCounter& counter : counters_[domain]) {
    std::uint64_t count = 0;
    if (reading.error == 0) reading.error = counter.read(count);
    reading.raw += count;
  }
  if (reading.error != 0) reading.raw = 0;
  reading.time_ns = stamp.midpoint_ns();
  return reading;
}

void PerfPowerSource::add_domain(const PowerPmu& pmu, const PowerEvent& event,
                                 std::span<const int> cpus, Domain domain) {
  domain.kind = event.kind;
  domain.joules_per_count = event.joules_per_count;
  domain.max_power_w = ceiling_w(event.kind);
  domain.update_s = kRaplUpdate_s;
  domain.safe_joules = kSafe_j;
  domain.why_excluded = exclusion(event.kind);
  domain.included = domain.why_excluded.empty();
  std::vector<PowerCounter>& counters = counters_.emplace_back();
  if (!event.why_not.empty()) refuse(domain, event.why_not);
  for (const int cpu : cpus) {
    if (!domain.measurable) break;
    const PowerCounter& counter = counters.emplace_back(pmu.type, event.config, cpu);
    int error = counter.open_error();
    if (error != 0 && event.kind == DomainKind::kPackage && package_error_ == 0) {
      package_error_ = error;
      package_event_ = event_label(pmu, event) + " on CPU " + std::to_string(cpu);
    }
    std::uint64_t count = 0;
    if (error == 0) error = counter.read(count);
    if (error == 0) continue;
    refuse(domain, "perf_event_open of " + event_label(pmu, event) + " on CPU " +
                       std::to_string(cpu) + " failed (" + error_text(error) + ")");
  }
  info_.domains.push_back(std::move(domain));
}

void PerfPowerSource::add(const PowerPmu& pmu, const std::string& sysroot) {
  const std::map<int, CpuPlace> places = places_of(pmu.cpus, sysroot);
  std::map<int, std::string> names = base_names(pmu.cpus, places);
  for (const int cpu : pmu.cpus) {
    for (const PowerEvent& event : pmu.events) {
      Domain domain;
      domain.package = places.at(cpu).package;
      const bool one_die = names[cpu] == "package-" + std::to_string(domain.package);
      domain.die = one_die ? -1 : places.at(cpu).die;
      // There is one machine, however many CPUs tell of it.
      const bool machine = event.kind == DomainKind::kPsys && pmu.cpus.size() == 1;
      domain.name = machine ? "psys" : names[cpu] + child_name(event);
      add_domain(pmu, event, {&cpu, 1}, std::move(domain));
    }
  }
}

// Cores add up to their package's sum: dozens of domains would say no more.
void PerfPowerSource::add_cores(const PowerPmu& pmu, const std::string& sysroot) {
  std::map<int, std::vector<int>> cores;
  for (const int cpu : pmu.cpus) cores[read_cpu_place(sysroot, cpu).package].push_back(cpu);
  for (const auto& [package, cpus] : cores) {
    for (const PowerEvent& event : pmu.events) {
      if (event.kind != DomainKind::kCore) continue;
      Domain domain;
      domain.package = package;
      domain.name = (package < 0 ? "package-unknown" : "package-" + std::to_string(package)) +
                    child_name(event);
      add_domain(pmu, event, cpus, std::move(domain));
    }
  }
}

void PerfPowerSource::expect_pace(bool live) {
  constexpr double kLate_s = 1;
  constexpr double kForever_s = std::numeric_limits<double>::infinity();
  info_.live = live;
  for (Domain& domain : info_.domains) {
    // Cores and graphics may truly draw nothing for long.
    const bool may_rest = !live || domain.kind == DomainKind::kCore ||
                          domain.kind == DomainKind::kUncore || domain.kind == DomainKind::kPsys;
    domain.max_silence_s = may_rest ? kForever_s : kRaplSilentUpdates * domain.update_s;
    if (!live) domain.late_s = kLate_s;
  }
}

void PerfPowerSource::drop_unmoved(const std::function<void()>& pause) {
  for (const std::size_t i : find_unmoved(*this, pause)) {
    refuse(info_.domains[i], "its event opens but does not move");
  }
}

void PerfPowerSource::finish(const std::string& sysroot, std::string directory) {
  info_.detail = std::move(directory);
  info_.coverage = rapl_coverage(info_.domains, read_topology(sysroot));
  info_.attributed = is_virtual_machine(sysroot);
}

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

}  // namespace

OpenFailure explain_power_failure(int error, const std::string& event, const PerfRules& rules) {
  if (error == EACCES || error == EPERM) {
    PermissionAdvice advice = perf_permission(PerfScope::kWholeMachine, error, rules);
    return {"perf_event_open of " + event + " failed (" + error_text(error) + "): " + advice.why,
            std::move(advice.remedy)};
  }
  return explain_open_failure(error, event, rules);
}

Probe probe_perf_power(const PerfPowerOptions& options) {
  const std::string directory = under_root(options.sysroot, kDevices + std::string("power"));
  const PowerPmu pmu = read_power_pmu(directory);
  if (!pmu.exists && options.live && !has_sysfs(options.sysroot)) {
    return refused(no_sysfs(options.sysroot), no_sysfs_remedy());
  }
  if (!pmu.exists) {
    return refused(directory +
                       " does not exist: the kernel offers no power PMU (a virtual machine, an "
                       "unsupported CPU or ARM)",
                   "");
  }
  if (!pmu.why_not.empty()) return refused(pmu.why_not);
  auto source = std::make_unique<PerfPowerSource>();
  source->add(pmu, options.sysroot);
  const std::vector<Domain>& domains = source->info().domains;
  if (!any_package(domains) && source->package_error() != 0) {
    OpenFailure failure =
        explain_power_failure(source->package_error(), source->package_event(), read_perf_rules());
    return refused(std::move(failure.why), std::move(failure.remedy));
  }
  const PowerPmu cores =
      read_power_pmu(under_root(options.sysroot, kDevices + std::string("power_core")));
  if (cores.why_not.empty()) source->add_cores(cores, options.sysroot);
  source->expect_pace(options.live);
  if (any_package(domains)) source->drop_unmoved(options.pause);
  if (!any_package(domains)) {
    return refused("no usable event under " + directory + ": " + exclusions(domains));
  }
  source->finish(options.sysroot, directory);
  return {kName, std::move(source), "", ""};
}

}  // namespace tern::energy
