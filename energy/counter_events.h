#pragma once
// Portable names of hardware counters, and the event that answers to each name on each
// microarchitecture: a table, by libpfm4's name of the core PMU, with the kernel's generic events
// for CPUs that libpfm4 does not know. A name without an honest event is absent with its reason;
// makers count different things under one name, so compare counts on one machine and read the
// event.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tern::energy {

// kDefault fits every counter budget, so it is counted at once, not in turns: cycles, instructions,
// llc_misses, frontend_stalls, backend_stalls. kDetail is a group of its own for a second pass:
// vector instructions by width, and page walks for data.
enum class CounterSet : std::uint8_t { kDefault, kDetail };

struct CounterChoice {
  std::string name;
  std::string event;    // for encode_event; empty when absent
  std::string why_not;  // set when absent
};

// pmu: libpfm4's name, "" or unknown to the table: generic events. vendor: "GenuineIntel",
// "AuthenticAMD", "HygonGenuine" or "arm"; decides what a generic event means
// (cpu_vendor of platform.h).
std::vector<CounterChoice> counter_choices(CounterSet set, std::string_view pmu,
                                           std::string_view vendor);

}  // namespace tern::energy
