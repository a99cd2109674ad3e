#pragma once
// A meter of joules behind one small interface, and the honest way to say that there is none.
// Absence is a Probe without a source and with a reason: never zero, never an estimate.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tern::energy {

// What a domain's counter covers, by its name in the meter (energy.md section 1.9 gives the
// nesting).
enum class DomainKind : std::uint8_t {
  kPsys,
  kPackage,
  kCore,
  kUncore,
  kDram,
  kRail,
  kWall,
  kOther
};

// What a raw reading is. A counter's energy is the difference of two readings. A sensor of power
// has no energy register: its energy is the trapezoid over readings (energy.md section 1.5).
enum class Quantity : std::uint8_t { kEnergy, kPower };

struct Domain {
  std::string name;  // "package-0", "package-0/dram", "psys"
  DomainKind kind = DomainKind::kOther;
  double joules_per_count = 1e-6;  // of the raw counter
  std::uint64_t modulus = 0;       // raw counts after which the counter restarts at 0; 0: never
  double max_power_w = 1000;       // plausibility ceiling
  double update_s = 1e-3;          // how often the counter moves
  double max_silence_s = 0.1;      // unmoved for longer than this inside a window: stuck
  bool measurable = true;          // false: listed with its reason, every reading is an error
  bool included = false;           // in the default total (package + dram); only when measurable
  std::string why_excluded;        // set when not included
  int package = -1;                // physical package it belongs to; -1: unknown, or several
  int die = -1;                    // where the meter tells dies of one package apart
  // Energy may appear this much later than update_s says (a copied tree is written at its author's
  // pace).
  double late_s = 0;
  // Who counts for us, the kernel for one, may lose count when twice this passes between two
  // readings; 0: no such limit.
  double safe_joules = 0;

  double longest_poll_s = 10;  // read at least this often
  double min_window_s = 0;     // a shorter window has no answer

  // kPower: raw is in microwatts, joules_per_count and modulus mean nothing, and so do update_s and
  // max_silence_s to the arithmetic. What follows is of sensors of power only.
  Quantity quantity = Quantity::kEnergy;
  double longest_gap_s = std::numeric_limits<double>::infinity();  // readings further apart: a gap
  double averaging_s = 0;  // each reading is the mean of the time before it, this long
  std::string no_data;     // what ENODATA means here: "the battery was not discharging"
};

struct SourceInfo {
  std::string name;    // "powercap", "perf", …
  std::string detail;  // path, PMU
  std::vector<Domain> domains;
  std::string coverage;     // "1 of 1 packages + dram", "2 of 2 packages, no dram domain"
  bool attributed = false;  // answers inside a virtual machine: somebody's share, not a meter
  // The machine's own counters at the pace that update_s says: windows too short for it are
  // refused, and where it is fast, windows align to it. Not for a copied tree or a replayed trace.
  bool live = false;
};

// One raw reading of one domain. error is an errno value, 0 when raw is good.
struct Reading {
  std::uint64_t raw = 0;
  std::int64_t time_ns = 0;  // CLOCK_MONOTONIC_RAW, midpoint of the read
  int error = 0;
};

class EnergySource {
 public:
  virtual ~EnergySource() = default;
  virtual const SourceInfo& info() const noexcept = 0;
  // Fills one Reading per domain, in info().domains order. Does not throw; errors are values.
  virtual void read(std::span<Reading> readings) noexcept = 0;
  // One domain alone, for whoever waits for it to move: cheaper where the others cost something.
  virtual Reading read_one(std::size_t domain) noexcept {
    std::vector<Reading> all(info().domains.size());
    read(all);
    return all[domain];
  }
  // What last went wrong, in words that an errno value lacks; empty where nothing did.
  virtual std::string trouble() const { return {}; }
  // Of a stored trace: how many more times read() has something to give. nullopt: a live meter.
  virtual std::optional<std::size_t> stored() const noexcept { return std::nullopt; }

  // Of a source that asks in a thread of its own. CPU time of that thread and of what it started,
  // so far.
  virtual std::int64_t own_cpu_ns() const noexcept { return 0; }
  // It asks nothing more until resume(), which returns once it has asked again, or could not in
  // time. What was missed in between is no reading.
  virtual void pause() noexcept {}
  virtual void resume() noexcept {}
};

// The outcome of looking for one meter.
struct Probe {
  std::string name;                      // "powercap"
  std::unique_ptr<EnergySource> source;  // null when unusable
  std::string why_not;                   // set when unusable: what was tried, what the system said
  std::string remedy;                    // what to type to make it usable; may be empty. One way
                                         // per line, best as "what it does: what to type"
  // What a short common window with another meter of the same counters showed; empty: there was
  // none.
  std::string cross_check = {};
  bool disagrees = false;  // by more than a few per cent: neither meter is to be trusted blindly
};

// Every meter this build knows, usable or not, preferred first. sysroot replaces "/" for sysfs and
// procfs.
std::vector<Probe> probe_all(const std::string& sysroot = "/");

}  // namespace tern::energy
