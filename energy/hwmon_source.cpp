#include "energy/hwmon_source.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "energy/hwmon_policy.h"
#include "energy/hwmon_sensors.h"
#include "energy/platform.h"
#include "energy/sensor_reader.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr const char* kName = "hwmon";
constexpr int kLooks = 60;  // with the default pause: 300 ms, for counters that firmware refreshes

constexpr double kSilentUpdates = 100;

// How often a counter moves, and over how long a power is averaged where the chip does not say.
struct Pace {
  double update_s;
  double averaging_s;
};

Pace usual_pace(SensorFamily family) {
  switch (family) {
    case SensorFamily::kAcpiMeter:
      return {0.05, 0.05};  // power1_average_interval of Grace is 50 ms unless changed
    case SensorFamily::kIna:
      return {0.01, 0.01};
    case SensorFamily::kAmdEnergy:
      return {1e-3, 0.01};
    default:
      return {0.1, 0.1};  // firmware behind a mailbox
  }
}

// How often a counter moves where that is known: the chip's update_interval, or the hardware's 1 ms
// behind amd_energy (energy.md section 1.0). 0 where firmware moves it at a pace of its own.
double known_update_s(const HwmonSensor& sensor, SensorFamily family) {
  if (sensor.averaging_s > 0) return sensor.averaging_s;
  return family == SensorFamily::kAmdEnergy ? usual_pace(family).update_s : 0;
}

DomainKind kind_of(const SensorMeaning& meaning) {
  if (meaning.family == SensorFamily::kUnknown) return DomainKind::kOther;
  if (meaning.family == SensorFamily::kAmdEnergy || meaning.family == SensorFamily::kXgene) {
    return meaning.level == SensorLevel::kSocket ? DomainKind::kPackage : DomainKind::kCore;
  }
  return meaning.level == SensorLevel::kCores ? DomainKind::kCore : DomainKind::kRail;
}

Domain domain_of(const HwmonSensor& sensor, const SensorMeaning& meaning, bool live) {
  Domain domain;
  domain.name = sensor_name(sensor);
  domain.kind = kind_of(meaning);
  domain.max_silence_s = std::numeric_limits<double>::infinity();
  const Pace pace = usual_pace(meaning.family);
  if (sensor.quantity == Quantity::kPower) {
    pace_power(domain, sensor.averaging_s > 0 ? sensor.averaging_s : pace.averaging_s);
    domain.no_data = "the chip has no reading (disabled, or its firmware does not answer)";
  } else {
    const double known_s = known_update_s(sensor, meaning.family);
    domain.update_s = known_s > 0 ? known_s : pace.update_s;
    // A core may truly sleep for long; a socket may not.
    const bool restless = live && domain.kind != DomainKind::kCore;
    if (restless) domain.max_silence_s = kSilentUpdates * domain.update_s;
  }
  return domain;
}

// The tree's sensors on their way to domains; all vectors run in parallel.
struct Candidates {
  std::vector<HwmonSensor> sensors;
  std::vector<SensorMeaning> meanings;
  std::vector<SensorReader> readers;

  explicit Candidates(std::vector<HwmonSensor> found) : sensors(std::move(found)) {
    for (HwmonSensor& sensor : sensors) {
      meanings.push_back(meaning_of(sensor));
      // An empty path: a sensor that is only listed must not be opened.
      const bool wanted = meanings.back().worth_reading;
      readers.emplace_back(wanted ? sensor.path : "", wanted ? sensor.times_path : "",
                           sensor.unit_uw);
      if (wanted && sensor.defect.empty()) {
        sensor.defect = readers.back().defect();
        if (denied(readers.back())) sensor.remedy = "sudo chmod a+r " + sensor.path;
      }
    }
  }

  static bool denied(const SensorReader& reader) {
    return reader.open_error() == EACCES || reader.open_error() == EPERM;
  }

  bool may_count(std::size_t i) const {
    return sensors[i].defect.empty() && meanings[i].level != SensorLevel::kNone;
  }

  void drop_lifeless(const std::function<void()>& pause) {
    std::vector<Reading> first;
    for (const SensorReader& reader : readers) first.push_back(reader.read());
    std::vector<bool> alive(sensors.size());
    for (int look = 0; look < kLooks; ++look) {
      pause();
      bool all = true;
      for (std::size_t i = 0; i < sensors.size(); ++i) {
        if (!may_count(i) || alive[i]) continue;
        const Reading now = readers[i].read();
        const bool power = sensors[i].quantity == Quantity::kPower;
        alive[i] = now.error == 0 && (power ? now.raw != 0 : now.raw != first[i].raw);
        all = all && alive[i];
      }
      if (all) return;
    }
    for (std::size_t i = 0; i < sensors.size(); ++i) {
      if (!may_count(i) || alive[i]) continue;
      const bool power = sensors[i].quantity == Quantity::kPower;
      sensors[i].defect = sensors[i].path + (power ? " reads 0 W" : " does not move");
    }
  }
};

// Two domains of one record need two names.
void make_names_unique(const std::vector<HwmonSensor>& sensors, std::vector<Domain>& domains) {
  std::map<std::string, int> count;
  for (const Domain& domain : domains) ++count[domain.name];
  std::map<std::string, int> used;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    std::string& name = domains[i].name;
    if (count[name] > 1 && !sensors[i].device.empty()) name += "@" + sensors[i].device;
    const int again = used[name]++;
    if (again > 0) name += "#" + std::to_string(again + 1);
  }
}

// What is only listed (256 cores, the sensors of a graphics card) becomes one domain for each chip
// and reason.
class SourceParts {
 public:
  void add(const HwmonSensor& sensor, Domain domain, SensorReader reader, bool read) {
    if (!read) {
      const auto [place, fresh] =
          folded_.emplace(sensor.chip + '\n' + domain.why_excluded, domains_.size());
      if (!fresh) {
        ++more_[place->second];
        return;
      }
    }
    domain.measurable = domain.measurable && read;
    more_.push_back(0);
    sensors_.push_back(sensor);
    domains_.push_back(std::move(domain));
    readers_.push_back(std::move(reader));
  }

  std::unique_ptr<EnergySource> finish(SourceInfo info) {
    make_names_unique(sensors_, domains_);
    for (std::size_t i = 0; i < domains_.size(); ++i) {
      if (more_[i] > 0) domains_[i].name += " and " + std::to_string(more_[i]) + " more";
    }
    info.domains = std::move(domains_);
    return std::make_unique<SensorSource>(std::move(info), std::move(readers_));
  }

 private:
  std::vector<HwmonSensor> sensors_;
  std::vector<Domain> domains_;
  std::vector<SensorReader> readers_;
  std::vector<int> more_;
  std::map<std::string, std::size_t> folded_;
};

Probe refused(std::string why, std::string remedy = "") {
  return {kName, nullptr, std::move(why), std::move(remedy)};
}

// Every sensor with its reason; a hundred sensors of one chip and one reason take one line.
Probe nothing_counts(const std::string& directory, const Candidates& found,
                     const SensorChoice& choice) {
  std::map<std::string, int> alike;
  const auto key = [&](std::size_t i) {
    return found.sensors[i].chip + '\n' + choice.why_excluded[i];
  };
  for (std::size_t i = 0; i < found.sensors.size(); ++i) ++alike[key(i)];
  std::string text;
  std::string remedy;
  for (std::size_t i = 0; i < found.sensors.size(); ++i) {
    if (remedy.empty()) remedy = found.sensors[i].remedy;
    int& count = alike[key(i)];
    if (count == 0) continue;
    text += (text.empty() ? "" : "; ") + sensor_name(found.sensors[i]);
    if (count > 1) text += " and " + std::to_string(count - 1) + " more";
    text += ": " + choice.why_excluded[i];
    count = 0;
  }
  return refused("no sensor under " + directory + " makes a total: " + text, remedy);
}

Probe no_sensors(const std::string& directory, int error) {
  if (error == ENOENT) {
    return refused(directory +
                   " does not exist: the kernel offers no hardware monitor (usual in a "
                   "virtual machine)");
  }
  if (error != 0) return refused("cannot list " + directory + ": " + error_text(error));
  return refused("no chip under " + directory + " has a sensor of energy or power",
                 "on NVIDIA Grace: sudo modprobe acpi_power_meter force_cap_on=y");
}

// Whether the total has a counter, and every counter in it moves at a pace that is known: then a
// window can be judged by it. Sensors of power say themselves how long a window they need.
bool counts_at_known_pace(const Candidates& found, const SensorChoice& choice) {
  bool counts = false;
  for (std::size_t i = 0; i < found.sensors.size(); ++i) {
    const HwmonSensor& sensor = found.sensors[i];
    if (!choice.why_excluded[i].empty() || sensor.quantity == Quantity::kPower) continue;
    if (known_update_s(sensor, found.meanings[i].family) <= 0) return false;
    counts = true;
  }
  return counts;
}

}  // namespace

Probe probe_hwmon(const HwmonOptions& options) {
  std::string directory = under_root(options.sysroot, "sys/class/hwmon");
  HwmonListing listing = list_hwmon_sensors(directory);
  const std::string iio = under_root(options.sysroot, "sys/bus/iio/devices");
  std::vector<HwmonSensor> rails = list_iio_sensors(iio).sensors;
  if (rails.empty() && (listing.error != 0 || listing.sensors.empty())) {
    return no_sensors(directory, listing.error);
  }
  if (!rails.empty()) directory = listing.sensors.empty() ? iio : directory + " and " + iio;
  std::move(rails.begin(), rails.end(), std::back_inserter(listing.sensors));
  Candidates found(std::move(listing.sensors));
  if (options.live) {
    found.drop_lifeless(options.pause ? options.pause : [] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    });
  }
  const std::size_t packages = read_topology(options.sysroot).packages.size();
  const SensorChoice choice = choose_total(found.sensors, found.meanings, packages);
  if (!choice.any()) return nothing_counts(directory, found, choice);
  SourceInfo info;
  info.name = kName;
  info.detail = directory;
  info.coverage = choice.coverage;
  info.attributed = is_virtual_machine(options.sysroot);
  info.live = options.live && counts_at_known_pace(found, choice);
  SourceParts parts;
  for (std::size_t i = 0; i < found.sensors.size(); ++i) {
    Domain domain = domain_of(found.sensors[i], found.meanings[i], options.live);
    domain.measurable = found.sensors[i].defect.empty();
    domain.why_excluded = choice.why_excluded[i];
    domain.included = domain.why_excluded.empty();
    parts.add(found.sensors[i], std::move(domain), std::move(found.readers[i]),
              found.meanings[i].worth_reading);
  }
  return {kName, parts.finish(std::move(info)), "", ""};
}

}  // namespace tern::energy
