#pragma once
// Bytes read from and written to memory by the whole machine, counted at the memory controllers
// (uncore PMUs through sysfs), where a core's own PMU cannot see prefetches, write-backs or other
// programs. Absent with a reason unless every controller opens and the sum moves.

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "energy/perf_counters.h"

namespace tern::energy {

class DramCounters {
 public:
  // sysroot replaces "/" for sysfs; what is opened are always this machine's PMUs, by the numbers
  // found there.
  explicit DramCounters(const std::string& sysroot = "/");
  ~DramCounters();
  DramCounters(const DramCounters&) = delete;
  DramCounters& operator=(const DramCounters&) = delete;

  // dram_read_bytes and dram_write_bytes.
  std::span<const CounterInfo> counters() const noexcept;
  void start();
  // Bytes between start and stop, in the order of counters(); time_s stays 0: they belong to no
  // thread.
  std::vector<CounterValue> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern::energy
