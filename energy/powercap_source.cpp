#include "energy/powercap_source.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "energy/platform.h"
#include "energy/powercap_zones.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr const char* kName = "powercap";
constexpr int kLooks = 100;  // with the default pause: 200 ms, a hundred times what a counter needs

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

class PowercapSource final : public EnergySource {
 public:
  explicit PowercapSource(std::vector<PowercapZone> zones);

  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override;

  // Steps of the probe, in this order.
  void stop_expecting_pace();
  void drop_unmoved(const std::function<void()>& pause);
  void finish(const std::string& sysroot, std::string directory);

  bool any_package() const noexcept;
  bool any_denied() const noexcept;
  std::string refusals() const;

 private:
  void refuse(std::size_t i, const std::string& why);
  std::string coverage(const PackageTopology& topology) const;
  std::string dram_coverage(const std::set<int>& packages) const;

  std::vector<PowercapZone> zones_;  // domain moved to info_
  std::vector<CounterFile> files_;
  SourceInfo info_;
};

PowercapSource::PowercapSource(std::vector<PowercapZone> zones) : zones_(std::move(zones)) {
  info_.name = kName;
  files_.reserve(zones_.size());
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    files_.emplace_back(zones_[i].energy_path);
    info_.domains.push_back(std::move(zones_[i].domain));
    if (!info_.domains[i].measurable) continue;
    std::uint64_t value = 0;
    int error = files_[i].open_error();
    if (error == 0) error = files_[i].read(value);
    if (error == EBADMSG) {
      refuse(i, zones_[i].energy_path + " does not hold one whole number and a newline");
    } else if (error != 0) {
      refuse(i, "cannot read " + zones_[i].energy_path + " (" + error_text(error) + ")");
    }
  }
}

void PowercapSource::refuse(std::size_t i, const std::string& why) {
  info_.domains[i].measurable = false;
  info_.domains[i].included = false;
  info_.domains[i].why_excluded = "not measurable: " + why;
}

void PowercapSource::read(std::span<Reading> readings) noexcept {
  for (std::size_t i = 0; i < readings.size() && i < files_.size(); ++i) {
    Reading& reading = readings[i];
    reading.raw = 0;
    const std::int64_t before = now_ns();
    reading.error = info_.domains[i].measurable ? files_[i].read(reading.raw) : ENODATA;
    const std::int64_t after = now_ns();
    reading.time_ns = before + (after - before) / 2;
  }
}

void PowercapSource::stop_expecting_pace() {
  for (Domain& domain : info_.domains) {
    domain.max_silence_s = std::numeric_limits<double>::infinity();
  }
}

void PowercapSource::drop_unmoved(const std::function<void()>& pause) {
  const std::size_t n = info_.domains.size();
  std::vector<Reading> first(n);
  std::vector<Reading> now(n);
  std::vector<bool> moved(n);
  read(first);
  const auto waiting = [&](std::size_t i) { return info_.domains[i].included && !moved[i]; };
  bool all = false;
  for (int look = 0; look < kLooks && !all; ++look) {
    pause();
    read(now);
    all = true;
    for (std::size_t i = 0; i < n; ++i) {
      if (now[i].error == 0 && now[i].raw != first[i].raw) moved[i] = true;
      all = all && !waiting(i);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (waiting(i)) refuse(i, zones_[i].energy_path + " does not move");
  }
}

void PowercapSource::finish(const std::string& sysroot, std::string directory) {
  info_.detail = std::move(directory);
  info_.coverage = coverage(read_topology(sysroot));
  info_.attributed = is_virtual_machine(sysroot);
}

// Memory alone is no total worth the name.
bool PowercapSource::any_package() const noexcept {
  return std::any_of(info_.domains.begin(), info_.domains.end(), [](const Domain& domain) {
    return domain.included && domain.kind == DomainKind::kPackage;
  });
}

bool PowercapSource::any_denied() const noexcept {
  return std::any_of(files_.begin(), files_.end(), [](const CounterFile& file) {
    return file.open_error() == EACCES || file.open_error() == EPERM;
  });
}

std::string PowercapSource::refusals() const {
  std::string text;
  for (const Domain& domain : info_.domains) {
    if (domain.included) continue;
    text += (text.empty() ? "" : "; ") + domain.name + ": " + domain.why_excluded;
  }
  return text;
}

std::string PowercapSource::coverage(const PackageTopology& topology) const {
  std::set<int> packages;
  std::set<std::pair<int, int>> dies;
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    const Domain& domain = info_.domains[i];
    if (!domain.included || domain.kind != DomainKind::kPackage) continue;
    packages.insert(zones_[i].package);
    if (zones_[i].die >= 0) dies.insert({zones_[i].package, zones_[i].die});
  }
  const std::string found = std::to_string(packages.size());
  std::string text = topology.packages.empty()
                         ? found + " packages (of an unknown number)"
                         : found + " of " + std::to_string(topology.packages.size()) + " packages";
  if (!dies.empty() && !topology.dies.empty()) {
    text += " (" + std::to_string(dies.size()) + " of " + std::to_string(topology.dies.size()) +
            " dies)";
  }
  return text + dram_coverage(packages);
}

std::string PowercapSource::dram_coverage(const std::set<int>& packages) const {
  bool exists = false;
  std::set<int> covered;
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    if (info_.domains[i].kind != DomainKind::kDram) continue;
    exists = exists || info_.domains[i].included || !info_.domains[i].measurable;
    if (info_.domains[i].included) covered.insert(zones_[i].package);
  }
  if (!exists) return ", no dram domain";
  if (covered.empty()) return ", dram not measurable";
  if (covered == packages) return " + dram";
  return " + dram of " + std::to_string(covered.size());
}

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

Probe permission_denied(const std::string& directory) {
  return refused(
      "reading " + directory +
          "/intel-rapl:*/energy_uj was denied: since CVE-2020-8694 (energy readings can leak "
          "secrets) the kernel lets only root read them",
      "sudo chmod -R a+r " + directory +
          "/intel-rapl (until the next boot; to keep it, a udev rule: SUBSYSTEM==\"powercap\", "
          "ACTION==\"add\", RUN+=\"/bin/chmod a+r /sys%p/energy_uj\")");
}

Probe no_directory(const std::string& directory, int error) {
  if (error != ENOENT) return refused("cannot list " + directory + ": " + error_text(error));
  return refused(
      directory +
      " does not exist: the kernel offers no RAPL (a virtual machine, an unsupported CPU or "
      "ARM)");
}

}  // namespace

Probe probe_powercap(const PowercapOptions& options) {
  const std::string directory = under_root(options.sysroot, "sys/class/powercap");
  ZoneListing listing = list_powercap_zones(directory);
  if (listing.error != 0) return no_directory(directory, listing.error);
  if (listing.zones.empty()) {
    return refused(
        directory +
            " has no intel-rapl zone: the RAPL driver is not loaded, does not know this CPU, or "
            "is hidden (a virtual machine or a container)",
        "sudo modprobe intel_rapl_msr");
  }
  auto source = std::make_unique<PowercapSource>(std::move(listing.zones));
  if (!source->any_package() && source->any_denied()) return permission_denied(directory);
  if (!options.live) {
    source->stop_expecting_pace();
  } else if (source->any_package()) {
    source->drop_unmoved(options.pause ? options.pause : [] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    });
  }
  if (!source->any_package()) {
    return refused("no usable zone under " + directory + ": " + source->refusals());
  }
  source->finish(options.sysroot, directory);
  return {kName, std::move(source), "", ""};
}

}  // namespace tern::energy
