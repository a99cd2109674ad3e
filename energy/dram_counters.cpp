#include "energy/dram_counters.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>

#include "energy/perf_open.h"
#include "energy/perf_permission.h"
#include "energy/sysfs_file.h"
#include "energy/sysfs_pmu.h"

namespace tern::energy {
namespace {

constexpr std::size_t kDirections = 2;
constexpr std::array<const char*, kDirections> kNames = {"dram_read_bytes", "dram_write_bytes"};

// One kind of memory controller. terms: for PMUs without event files; they count cache lines.
struct Kind {
  const char* prefix;
  std::array<const char*, kDirections> events;
  std::array<const char*, kDirections> terms;
};

// Intel servers, Intel clients, and AMD from Linux 6.8 on (its UMC PMU names no events: 0x0a counts
// column commands, rdwrmask 1 those that read and 2 those that write). Programmable counters first:
// servers have both kinds.
constexpr std::array<Kind, 3> kKinds = {{
    {"uncore_imc_", {"cas_count_read", "cas_count_write"}, {nullptr, nullptr}},
    {"uncore_imc_free_running_", {"data_read", "data_write"}, {nullptr, nullptr}},
    {"amd_umc_", {"reads", "writes"}, {"event=0x0a,rdwrmask=0x1", "event=0x0a,rdwrmask=0x2"}},
}};
constexpr double kLineBytes = 64;
constexpr double kMebibyte = 1024.0 * 1024;

// A descriptor and the bytes one of its counts stands for.
struct Counter {
  int fd = -1;
  double bytes_per_count = 0;

  Counter(int descriptor, double bytes) : fd(descriptor), bytes_per_count(bytes) {}
  Counter(Counter&& other) noexcept
      : fd(std::exchange(other.fd, -1)), bytes_per_count(other.bytes_per_count) {}
  Counter& operator=(Counter&&) = delete;
  ~Counter() {
    if (fd >= 0) ::close(fd);
  }
};

// PERF_FORMAT_TOTAL_TIME_ENABLED | _RUNNING (perf_event_open(2)).
struct Reading {
  std::uint64_t value = 0, enabled = 0, running = 0;
  int error = 0;
};

Reading read_counter(int fd) {
  std::array<std::uint64_t, 3> buffer{};
  const ssize_t got = ::read(fd, buffer.data(), sizeof buffer);
  if (got < 0) return {.error = errno};
  if (got != sizeof buffer) return {.error = ENODATA};
  return {buffer[0], buffer[1], buffer[2], 0};
}

// No exclude bits and no thread: an uncore PMU knows neither (EINVAL).
int open_on_cpu(const PerfEvent& event, int cpu) {
  return open_perf_event(event, {.cpu = cpu}, {});
}

std::optional<double> bytes_of(const SysfsEvent& event) {
  if (event.unit == "MiB") return event.scale * kMebibyte;
  if (event.unit == "Bytes") return event.scale;
  return std::nullopt;
}

OpenFailure explain(int error, const std::string& event, int cpu) {
  const std::string what = "perf_event_open of " + event + " on CPU " + std::to_string(cpu) +
                           " failed (" + error_text(error) + ")";
  if (error != EACCES && error != EPERM) return {what, ""};
  PermissionAdvice advice = perf_permission(PerfScope::kWholeMachine, error, read_perf_rules());
  return {what + ": " + advice.why, std::move(advice.remedy)};
}

}  // namespace

struct DramCounters::Impl {
  std::array<std::vector<Counter>, kDirections> counters;
  std::array<std::vector<Reading>, kDirections> begins;
  std::vector<CounterInfo> infos;

  void refuse(std::size_t direction, std::string why, std::string remedy = "") {
    counters[direction].clear();
    infos[direction].usable = false;
    infos[direction].why_not = std::move(why);
    infos[direction].remedy = std::move(remedy);
  }

  // All controllers or none: a sum that lacks one would pass for the whole.
  void open(std::size_t direction, const Kind& kind, const std::vector<SysfsPmu>& pmus) {
    CounterInfo& info = infos[direction];
    info.event = std::string(kind.prefix) + "*/" + kind.events[direction] + "/";
    for (const SysfsPmu& pmu : pmus) {
      if (!pmu.why_not.empty()) return refuse(direction, pmu.why_not);
      const bool by_terms = kind.terms[direction] != nullptr;
      SysfsEvent event =
          by_terms ? SysfsEvent{encode_terms(pmu, kind.events[direction], kind.terms[direction]),
                                kLineBytes, "Bytes"}
                   : read_sysfs_event(pmu, kind.events[direction]);
      if (!event.event.why_not.empty()) return refuse(direction, event.event.why_not);
      const auto bytes = bytes_of(event);
      if (!bytes) {
        return refuse(direction,
                      event.event.event + " counts '" + event.unit + "', expected MiB or Bytes");
      }
      for (const int cpu : pmu.cpus) {
        const int fd = open_on_cpu(event.event, cpu);
        if (fd < 0) {
          OpenFailure failure = explain(-fd, event.event.event, cpu);
          return refuse(direction, std::move(failure.why), std::move(failure.remedy));
        }
        counters[direction].emplace_back(fd, *bytes);
      }
    }
    info.usable = true;
  }

  std::vector<Reading> read(std::size_t direction) const {
    std::vector<Reading> readings;
    for (const Counter& counter : counters[direction]) readings.push_back(read_counter(counter.fd));
    return readings;
  }

  // Memory is never idle for this long, refreshes aside: something always reads and writes.
  void drop_unmoved(std::size_t direction) {
    constexpr int kLooks = 25;
    const std::vector<Reading> first = read(direction);
    for (int look = 0; look < kLooks; ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const std::vector<Reading> now = read(direction);
      for (std::size_t i = 0; i < now.size(); ++i) {
        if (now[i].error == 0 && now[i].value != first[i].value) return;
      }
    }
    refuse(direction, infos[direction].event + " opens but does not count");
  }

  CounterValue difference(std::size_t direction) const {
    CounterValue value;
    value.name = infos[direction].name;
    if (!infos[direction].usable) {
      value.why = infos[direction].why_not;
      return value;
    }
    if (begins[direction].empty()) {
      value.why = "the window was never started";
      return value;
    }
    const std::vector<Reading> ends = read(direction);
    double bytes = 0, enabled = 0, running = 0;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      const Reading& a = begins[direction][i];
      const Reading& b = ends[i];
      if (a.error != 0 || b.error != 0) {
        value.why = "a reading failed: " + error_text(a.error != 0 ? a.error : b.error);
        return value;
      }
      if (b.running == a.running) {
        value.why = "a memory controller was not counted: its counters were taken";
        return value;
      }
      // Integers first: a double holds fewer bits than the counter.
      const auto share_enabled = static_cast<double>(b.enabled - a.enabled);
      const auto share_running = static_cast<double>(b.running - a.running);
      bytes += static_cast<double>(b.value - a.value) * counters[direction][i].bytes_per_count *
               (share_enabled / share_running);
      enabled += share_enabled;
      running += share_running;
    }
    value.measured = true;
    value.value = bytes;
    value.running_share = running / enabled;
    return value;
  }
};

DramCounters::DramCounters(const std::string& sysroot) : impl_(std::make_unique<Impl>()) {
  for (const char* name : kNames) impl_->infos.push_back({name, false, "", "", ""});
  for (const Kind& kind : kKinds) {
    const std::vector<SysfsPmu> pmus = numbered_pmus(sysroot, kind.prefix);
    if (pmus.empty()) continue;
    for (std::size_t d = 0; d < kDirections; ++d) {
      impl_->open(d, kind, pmus);
      if (impl_->infos[d].usable) impl_->drop_unmoved(d);
    }
    return;
  }
  for (std::size_t d = 0; d < kDirections; ++d) {
    impl_->refuse(d, under_root(sysroot, "sys/bus/event_source/devices") +
                         " has no PMU of a memory controller that is known here (uncore_imc_*, "
                         "amd_umc_* from Linux 6.8 on): a virtual machine, or a CPU whose "
                         "controllers the kernel does not count");
  }
}

DramCounters::~DramCounters() = default;

std::span<const CounterInfo> DramCounters::counters() const noexcept { return impl_->infos; }

void DramCounters::start() {
  for (std::size_t d = 0; d < kDirections; ++d) {
    impl_->begins[d] = impl_->infos[d].usable ? impl_->read(d) : std::vector<Reading>();
  }
}

std::vector<CounterValue> DramCounters::stop() {
  std::vector<CounterValue> values;
  for (std::size_t d = 0; d < kDirections; ++d) values.push_back(impl_->difference(d));
  return values;
}

}  // namespace tern::energy
