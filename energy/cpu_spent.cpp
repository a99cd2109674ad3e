#include "energy/cpu_spent.h"

#include <sys/resource.h>
#include <time.h>

#include "energy/stamp.h"

namespace tern::energy {
namespace {

thread_local std::int64_t helpers_ns = 0;

std::int64_t nanoseconds(const timeval& time) noexcept {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_usec} * 1000;
}

}  // namespace

std::int64_t cpu_spent_ns() noexcept { return clock_ns(CLOCK_THREAD_CPUTIME_ID) + helpers_ns; }

void add_helper_cpu(std::int64_t cpu_ns) noexcept { helpers_ns += cpu_ns; }

void add_helper_cpu(const rusage& usage) noexcept {
  add_helper_cpu(nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime));
}

}  // namespace tern::energy
