// The one translation unit that sees libpfm4: its perf_event.h clashes with <linux/perf_event.h>.
#include "energy/pfm_encode.h"

#include <perfmon/pfmlib_perf_event.h>

#include <cstdlib>
#include <string_view>

namespace tern::energy {
namespace {

int initialize_libpfm() {
  static const int result = pfm_initialize();
  return result;
}

}  // namespace

std::string detected_core_pmu() {
  if (initialize_libpfm() != PFM_SUCCESS) return "";
  for (int i = PFM_PMU_NONE; i < PFM_PMU_MAX; ++i) {
    pfm_pmu_info_t info{};
    info.size = sizeof info;
    if (pfm_get_pmu_info(static_cast<pfm_pmu_t>(i), &info) != PFM_SUCCESS) continue;
    if (info.type != PFM_PMU_TYPE_CORE || info.is_present == 0) continue;
    // Intel's architectural PMU is present beside the CPU's own, or instead of an unknown one.
    if (std::string_view(info.name) != "ix86arch") return info.name;
  }
  return "";
}

PerfEvent encode_event(const std::string& name, const std::string& event_name) {
  PerfEvent event;
  event.name = name;
  event.event = event_name;
  perf_event_attr attr{};
  char* full_name = nullptr;
  pfm_perf_encode_arg_t request{};
  request.attr = &attr;
  request.fstr = &full_name;
  request.size = sizeof request;
  int result = initialize_libpfm();
  if (result == PFM_SUCCESS) {
    result =
        pfm_get_os_event_encoding(event_name.c_str(), PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &request);
  }
  if (result != PFM_SUCCESS) {
    event.why_not = "libpfm4 cannot encode " + event_name + ": " + pfm_strerror(result);
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

}  // namespace tern::energy
