#pragma once
// The clocks, the joule meter and the event counters of this machine, for one study.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "energy/dram_counters.h"
#include "energy/energy_meter.h"
#include "energy/perf_counters.h"
#include "harness/study.h"

namespace tern::harness {

class MachineInstruments final : public Instruments {
 public:
  // Counts events of these kernel threads (engine::ThreadPool::thread_ids). `meter` must outlive
  // this.
  MachineInstruments(energy::EnergyMeter& meter, const std::vector<int>& thread_ids);

  std::int64_t unix_ns() override;
  std::int64_t monotonic_ns() override;
  void rest(int seconds) override;
  void start() override;
  void stop(Trial& trial) override;

  // Idle power measured before the windows to come; goes into each of them.
  void set_idle_w(std::optional<double> idle_w) { idle_w_ = idle_w; }

 private:
  energy::EnergyMeter& meter_;
  energy::PerfCounters counters_;
  energy::DramCounters dram_;
  std::int64_t cpu_start_ns_ = 0;
  std::string cpu_vendor_;  // which decides how much the meter is trusted
  std::optional<double> idle_w_;
};

}  // namespace tern::harness
