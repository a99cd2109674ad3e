#include "energy/perf_open.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace tern::energy {

int open_perf_event(const PerfEvent& event, const PerfTarget& target, const PerfOptions& options) {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  attr.type = event.type;
  attr.config = event.config;
  attr.config1 = event.config1;
  attr.config2 = event.config2;
  attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  if (options.grouped) attr.read_format |= PERF_FORMAT_GROUP;
  attr.disabled = options.start == PerfStart::kAtOnce ? 0 : 1;
  attr.enable_on_exec = options.start == PerfStart::kOnExec ? 1 : 0;
  attr.inherit = attr.enable_on_exec;
  attr.exclude_kernel = options.user_only ? 1 : 0;
  attr.exclude_hv = attr.exclude_kernel;
  const long fd = ::syscall(SYS_perf_event_open, &attr, target.thread_id, target.cpu,
                            options.leader, PERF_FLAG_FD_CLOEXEC);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

}  // namespace tern::energy
