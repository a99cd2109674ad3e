#include "energy/powercap_source.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "energy/platform.h"
#include "energy/powercap_zones.h"
#include "energy/rapl_domains.h"
#include "energy/rapl_remedy.h"
#include "energy/stamp.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr const char* kName = "powercap";
class PowercapSource final : public EnergySource {
 public:
  explicit PowercapSource(std::vector<PowercapZone> zones);

  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override;
  Reading read_one(std::size_t domain) noexcept override;

  // Steps of the probe, in this order.
  void stop_expecting_pace();
  void drop_unmoved(const std::function<void()>& pause);
  void finish(const std::string& sysroot, std::string directory);

  bool any_denied() const noexcept;

 private:
  std::vector<std::string> paths_;
  std::vector<CounterFile> files_;
  SourceInfo info_;
};

PowercapSource::PowercapSource(std::vector<PowercapZone> zones) {
  info_.name = kName;
  info_.live = true;
  files_.reserve(zones.size());
  for (PowercapZone& zone : zones) {
    const CounterFile& file = files_.emplace_back(zone.energy_path);
    const std::string& path = paths_.emplace_back(std::move(zone.energy_path));
    Domain& domain = info_.domains.emplace_back(std::move(zone.domain));
    if (!domain.measurable) continue;
    std::uint64_t value = 0;
    int error = file.open_error();
    if (error == 0) error = file.read(value);
    if (error == EBADMSG) {
      refuse(domain, path + " does not hold one whole number and a newline");
    } else if (error != 0) {
      refuse(domain, "cannot read " + path + " (" + error_text(error) + ")");
    }
  }
}

Reading PowercapSource::read_one(std::size_t domain) noexcept {
  Reading reading;
  const Stamp stamp;
  reading.error = info_.domains[domain].measurable ? files_[domain].read(reading.raw) : ENODATA;
  reading.time_ns = stamp.midpoint_ns();
  return reading;
}

void PowercapSource::read(std::span<Reading> readings) noexcept {
  for (std::size_t i = 0; i < readings.size() && i < files_.size(); ++i) readings[i] = read_one(i);
}

void PowercapSource::stop_expecting_pace() {
  constexpr double kLate_s = 1;
  info_.live = false;
  for (Domain& domain : info_.domains) {
    domain.max_silence_s = std::numeric_limits<double>::infinity();
    domain.late_s = kLate_s;
  }
}

void PowercapSource::drop_unmoved(const std::function<void()>& pause) {
  for (const std::size_t i : find_unmoved(*this, pause)) {
    refuse(info_.domains[i], paths_[i] + " does not move");
  }
}

void PowercapSource::finish(const std::string& sysroot, std::string directory) {
  info_.detail = std::move(directory);
  info_.coverage = rapl_coverage(info_.domains, read_topology(sysroot));
  info_.attributed = is_virtual_machine(sysroot);
}

bool PowercapSource::any_denied() const noexcept {
  return std::any_of(files_.begin(), files_.end(), [](const CounterFile& file) {
    return file.open_error() == EACCES || file.open_error() == EPERM;
  });
}

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

Probe permission_denied(const std::string& directory, const Confinement& around) {
  return refused(
      "reading " + directory +
          "/intel-rapl:*/energy_uj was denied: since CVE-2020-8694 (energy readings can leak "
          "secrets) the kernel lets only root read them",
      rapl_permission_remedy(directory, around));
}

Probe no_directory(const PowercapOptions& options, const std::string& directory, int error) {
  if (error != ENOENT) return refused("cannot list " + directory + ": " + error_text(error));
  if (options.live && !has_sysfs(options.sysroot)) {
    return refused(no_sysfs(options.sysroot), no_sysfs_remedy());
  }
  return refused(
      directory +
      " does not exist: the kernel offers no RAPL (a virtual machine, an unsupported CPU or "
      "ARM)");
}

Probe masked(const std::string& directory, const Confinement& around) {
  return refused(directory +
                     " has links to RAPL zones that lead nowhere: the container hides them "
                     "(CVE-2020-8694)",
                 rapl_mask_remedy(around));
}

}  // namespace

Probe probe_powercap(const PowercapOptions& options) {
  const std::string directory = under_root(options.sysroot, "sys/class/powercap");
  ZoneListing listing = list_powercap_zones(directory);
  if (listing.error != 0) return no_directory(options, directory, listing.error);
  if (listing.zones.empty()) {
    return refused(
        directory +
            " has no intel-rapl zone: the RAPL driver is not loaded, does not know this CPU, or "
            "is hidden (a virtual machine or a container)",
        "sudo modprobe intel_rapl_msr");
  }
  const Confinement around = read_confinement(options.sysroot);
  auto source = std::make_unique<PowercapSource>(std::move(listing.zones));
  const std::vector<Domain>& domains = source->info().domains;
  if (!any_package(domains) && source->any_denied()) return permission_denied(directory, around);
  if (!any_package(domains) && rapl_is_masked(directory)) return masked(directory, around);
  if (!options.live) {
    source->stop_expecting_pace();
  } else if (any_package(domains)) {
    source->drop_unmoved(options.pause);
  }
  if (!any_package(domains)) {
    return refused("no usable zone under " + directory + ": " + exclusions(domains));
  }
  source->finish(options.sysroot, directory);
  return {kName, std::move(source), "", ""};
}

}  // namespace tern::energy
