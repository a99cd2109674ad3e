#include "harness/instruments.h"

#include <time.h>

#include <utility>
#include "energy/platform.h"
#include "energy/uncertainty_budget.h"

namespace tern::harness {

namespace {

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

MachineInstruments::MachineInstruments(energy::EnergyMeter& meter,
                                       const std::vector<int>& thread_ids)
    : meter_(meter), counters_(thread_ids), cpu_vendor_(energy::cpu_vendor("/")) {}

std::int64_t MachineInstruments::unix_ns() { return read_clock(CLOCK_REALTIME); }
std::int64_t MachineInstruments::monotonic_ns() { return read_clock(CLOCK_MONOTONIC_RAW); }

// A signal ends the rest early: the study then sees that it was asked to stop.
void MachineInstruments::rest(int seconds) {
  const timespec time{.tv_sec = seconds, .tv_nsec = 0};
  nanosleep(&time, nullptr);
}

// The counters are innermost: reading a meter may cost system calls that should not be counted as
// work.
void MachineInstruments::start() {
  meter_.start();
  dram_.start();
  counters_.start();
  cpu_start_ns_ = read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void MachineInstruments::stop(Trial& trial) {
  trial.cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_start_ns_;
  trial.counters = counters_.stop();
  for (energy::CounterValue& bytes : dram_.stop()) trial.counters.push_back(std::move(bytes));
  trial.energy = energy::stop_with_budget(meter_, cpu_vendor_);
  if (trial.energy.status == energy::Status::kMeasured) trial.energy.idle_w = idle_w_;
}

}  // namespace tern::harness
