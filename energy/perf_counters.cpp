// The one translation unit that sees libpfm4: its perf_event.h clashes with <linux/perf_event.h>.
#include "energy/perf_counters.h"

#include <perfmon/pfmlib_perf_event.h>

#include <cstdlib>
#include <utility>

#include "energy/perf_group.h"

namespace tern::energy {
namespace {

int initialize_libpfm() {
  static const int result = pfm_initialize();
  return result;
}

// The kernel's generic events, which it maps to the CPU at hand also where libpfm4's tables lack
// that CPU.
PerfEvent encode(std::string name, const char* generic) {
  PerfEvent event;
  event.name = std::move(name);
  event.event = generic;
  perf_event_attr attr{};
  char* full_name = nullptr;
  pfm_perf_encode_arg_t request{};
  request.attr = &attr;
  request.fstr = &full_name;
  request.size = sizeof request;
  int result = initialize_libpfm();
  if (result == PFM_SUCCESS) {
    result = pfm_get_os_event_encoding(generic, PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &request);
  }
  if (result != PFM_SUCCESS) {
    event.why_not = std::string("libpfm4 cannot encode ") + generic + ": " + pfm_strerror(result);
    return event;
  }
  event.type = attr.type;
  event.config = attr.config;
  event.config1 = attr.config1;
  event.config2 = attr.config2;
  if (full_name != nullptr) event.event = full_name;
  std::free(full_name);
  return event;
}

std::vector<PerfEvent> default_events() {
  return {encode("cycles", "PERF_COUNT_HW_CPU_CYCLES"),
          encode("instructions", "PERF_COUNT_HW_INSTRUCTIONS")};
}

}  // namespace

struct PerfCounters::Impl {
  PerfGroups groups;
};

PerfCounters::PerfCounters(std::span<const int> thread_ids)
    : impl_(new Impl{PerfGroups(default_events(), thread_ids)}) {}

PerfCounters::~PerfCounters() = default;

std::span<const CounterInfo> PerfCounters::counters() const noexcept {
  return impl_->groups.counters();
}

void PerfCounters::start() { impl_->groups.start(); }

std::vector<CounterValue> PerfCounters::stop() { return impl_->groups.stop(); }

}  // namespace tern::energy
