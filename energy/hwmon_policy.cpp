#include "energy/hwmon_policy.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace tern::energy {
namespace {

class Chooser {
 public:
  Chooser(const std::vector<HwmonSensor>& sensors, const std::vector<SensorMeaning>& meanings,
          std::size_t packages)
      : sensors_(sensors), meanings_(meanings), packages_(packages), why_(sensors.size()) {}

  SensorChoice choose() {
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (!sensors_[i].defect.empty()) why_[i] = "not measurable: " + sensors_[i].defect;
    }
    for (int family = 0; family < static_cast<int>(SensorFamily::kUnknown); ++family) {
      if (try_family(static_cast<SensorFamily>(family))) break;
    }
    explain_the_rest();
    return {std::move(why_), coverage()};
  }

 private:
  bool candidate(std::size_t i) const {
    return why_[i].empty() && meanings_[i].level != SensorLevel::kNone;
  }

  // One thing measured twice: its counter is better than samples of its power; two of a kind could
  // be parts of each other.
  void settle_repetitions(SensorFamily family) {
    std::map<std::tuple<SensorLevel, int, std::string>, std::vector<std::size_t>> things;
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (meanings_[i].family != family || !candidate(i)) continue;
      things[{meanings_[i].level, meanings_[i].socket, meanings_[i].part}].push_back(i);
    }
    for (const auto& [thing, members] : things) {
      std::vector<std::size_t> counters;
      for (const std::size_t i : members) {
        if (sensors_[i].quantity == Quantity::kEnergy) counters.push_back(i);
      }
      if (counters.size() == 1) {
        for (const std::size_t i : members) {
          if (i != counters[0]) why_[i] = "repeats " + sensor_name(sensors_[counters[0]]);
        }
      } else if (members.size() > 1) {
        refuse_all(members);
      }
    }
  }

  void refuse_all(const std::vector<std::size_t>& members) {
    std::string names;
    for (const std::size_t i : members) {
      names += (names.empty() ? "" : ", ") + sensor_name(sensors_[i]);
    }
    for (const std::size_t i : members) {
      why_[i] = "which of these contains the others is unknown: " + names;
    }
  }

  // Supplies side by side are a whole only together.
  void drop_fragments(SensorFamily family) {
    std::map<int, std::size_t> parts;
    std::map<int, bool> cpu;
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (!side_by_side(i, family)) continue;
      ++parts[meanings_[i].socket];
      const std::string& label = sensors_[i].label;
      if (label.starts_with("CPU") || label.starts_with("cpu")) cpu[meanings_[i].socket] = true;
    }
    constexpr std::size_t kRails = 3;  // of the set in hwmon_meaning.cpp
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (!side_by_side(i, family)) continue;
      const int socket = meanings_[i].socket;
      if (family == SensorFamily::kIna && parts[socket] != kRails && !has_whole(family)) {
        why_[i] = "only a part of the supplies of this board answers";
      }
      if (family == SensorFamily::kXgene && !cpu[socket]) {
        why_[i] = "the CPU's own power, which belongs to it, is missing";
      }
    }
  }

  bool side_by_side(std::size_t i, SensorFamily family) const {
    return meanings_[i].family == family && candidate(i) &&
           meanings_[i].level == SensorLevel::kSocket &&
           (family == SensorFamily::kIna || family == SensorFamily::kXgene);
  }

  bool has_whole(SensorFamily family) const {
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (meanings_[i].family == family && candidate(i) &&
          meanings_[i].level == SensorLevel::kBoard) {
        return true;
      }
    }
    return false;
  }

  // The level that answers for the most sockets, the highest of equals.
  bool try_family(SensorFamily family) {
    settle_repetitions(family);
    drop_fragments(family);
    std::map<SensorLevel, std::set<int>> sockets;
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (meanings_[i].family == family && candidate(i)) {
        sockets[meanings_[i].level].insert(meanings_[i].socket);
      }
    }
    if (sockets.empty()) return false;
    family_ = family;
    for (const auto& [level, answered] : sockets) {
      if (answered.size() < covered_.size()) continue;
      level_ = level;
      covered_ = answered;
    }
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (meanings_[i].family == family && candidate(i) && meanings_[i].level == level_) {
        included_.push_back(i);
      }
    }
    return true;
  }

  void explain_the_rest() {
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
      if (!why_[i].empty()) continue;
      if (std::find(included_.begin(), included_.end(), i) != included_.end()) continue;
      why_[i] = reason(i);
    }
  }

  std::string reason(std::size_t i) const {
    const SensorMeaning& meaning = meanings_[i];
    const bool family_counts = !included_.empty() && meaning.family == family_;
    if (family_counts && meaning.inside != SensorLevel::kNone && meaning.inside <= level_) {
      for (const std::size_t k : included_) {
        if (meanings_[k].socket == meaning.socket) return "inside " + sensor_name(sensors_[k]);
      }
    }
    if (meaning.level == SensorLevel::kNone) return meaning.why;
    if (family_counts && meaning.level > level_) {
      return "it answers for fewer sockets than " + sensor_name(sensors_[included_[0]]);
    }
    if (included_.empty()) return "nothing that contains it answers";
    return "the total is that of " + sensors_[included_[0]].chip;
  }

  std::string of_sockets() const {
    const std::string n = std::to_string(covered_.size());
    if (packages_ == 0) return n + " sockets (of an unknown number)";
    return n + " of " + std::to_string(packages_) + " sockets";
  }

  std::string labels() const {
    std::set<std::string> labels;
    for (const std::size_t i : included_) labels.insert(sensors_[i].label);
    std::string text;
    for (const std::string& label : labels) text += (text.empty() ? "" : " + ") + label;
    return text;
  }

  std::string coverage() const {
    if (included_.empty()) return "";
    const std::string chip = " (" + sensors_[included_[0]].chip + ")";
    switch (family_) {
      case SensorFamily::kAcpiMeter: {
        const std::string level = level_ == SensorLevel::kBoard    ? "module power"
                                  : level_ == SensorLevel::kSocket ? "Grace power"
                                                                   : "CPU power alone";
        return level + " of " + of_sockets() + chip;
      }
      case SensorFamily::kAmdEnergy:
        return of_sockets() + chip + ", no dram domain";
      case SensorFamily::kXgene:
        return labels() + " of " + of_sockets() + chip;
      case SensorFamily::kAltra:
        return std::to_string(included_.size()) + " cores" + chip + ", nothing outside them";
      case SensorFamily::kScmi:
        return labels() + chip + ", as the firmware names it";
      default:
        return labels() + chip +
               (level_ == SensorLevel::kBoard ? ", the whole board or module"
                                              : ", the supplies of the module");
    }
  }

  const std::vector<HwmonSensor>& sensors_;
  const std::vector<SensorMeaning>& meanings_;
  std::size_t packages_;
  std::vector<std::string> why_;
  std::vector<std::size_t> included_;
  std::set<int> covered_;
  SensorFamily family_ = SensorFamily::kUnknown;
  SensorLevel level_ = SensorLevel::kNone;
};

}  // namespace

SensorChoice choose_total(const std::vector<HwmonSensor>& sensors,
                          const std::vector<SensorMeaning>& meanings, std::size_t packages) {
  return Chooser(sensors, meanings, packages).choose();
}

}  // namespace tern::energy
