#include "energy/perf_counters.h"
#include "energy/platform.h"

#include <utility>

#include "energy/perf_group.h"
#include "energy/pfm_encode.h"

namespace tern::energy {
namespace {

std::vector<PerfEvent> encoded(CounterSet set) {
  std::vector<PerfEvent> events;
  for (CounterChoice& choice : counter_choices(set, detected_core_pmu(), cpu_vendor("/"))) {
    if (choice.why_not.empty()) {
      events.push_back(encode_event(choice.name, choice.event));
      continue;
    }
    PerfEvent absent;
    absent.name = std::move(choice.name);
    absent.why_not = std::move(choice.why_not);
    events.push_back(std::move(absent));
  }
  return events;
}

}  // namespace

struct PerfCounters::Impl {
  PerfGroups groups;
};

PerfCounters::PerfCounters(std::span<const int> thread_ids, CounterSet set)
    : impl_(new Impl{PerfGroups(encoded(set), thread_ids)}) {}

PerfCounters::~PerfCounters() = default;

std::span<const CounterInfo> PerfCounters::counters() const noexcept {
  return impl_->groups.counters();
}

void PerfCounters::start() { impl_->groups.start(); }

std::vector<CounterValue> PerfCounters::stop() { return impl_->groups.stop(); }

}  // namespace tern::energy
