#include "engine/thread_pool.h"

#include <hwloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

#include "kernels/check.h"
#include "kernels/cpu_features.h"

namespace tern::engine {
namespace {

using Clock = std::chrono::steady_clock;

void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Spins until `done` or for `spin`. Looks at the clock only now and then: it costs more than the
// test.
template <class Done>
bool spin_until(Done done, std::chrono::microseconds spin) {
  const auto deadline = Clock::now() + spin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (Clock::now() < deadline);
  return done();
}

// Adds the time from its construction, and from every resume(), to the next pause(). Without a
// target it does nothing.
class WaitTimer {
 public:
  explicit WaitTimer(std::int64_t* ns) noexcept : ns_(ns) { resume(); }
  void resume() noexcept {
    if (ns_ != nullptr) started_ = Clock::now();
  }
  void pause() noexcept {
    if (ns_ == nullptr) return;
    *ns_ += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started_).count();
  }

 private:
  std::int64_t* ns_;
  Clock::time_point started_;
};

struct TopologyDeleter {
  void operator()(hwloc_topology_t topology) const noexcept { hwloc_topology_destroy(topology); }
};

struct CpuOrder {
  std::vector<int> cpus;  // one hardware thread of every core first, then their siblings
  int cores = 0;
};

// Only CPUs this process may run on.
CpuOrder allowed_cpus() {
  CpuOrder order;
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return order;
  const std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, TopologyDeleter> topology(raw);
  if (hwloc_topology_load(raw) != 0) return order;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return order;
  const int cores = hwloc_get_nbobjs_by_type(raw, HWLOC_OBJ_CORE);
  std::vector<std::vector<int>> by_core;
  for (int c = 0; c < cores; ++c) {
    const hwloc_obj_t core = hwloc_get_obj_by_type(raw, HWLOC_OBJ_CORE, static_cast<unsigned>(c));
    std::vector<int> threads;
    unsigned cpu = 0;
    hwloc_bitmap_foreach_begin(cpu, core->cpuset) {
      if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &mask)) threads.push_back(static_cast<int>(cpu));
    }
    hwloc_bitmap_foreach_end();
    if (!threads.empty()) by_core.push_back(std::move(threads));
  }
  order.cores = static_cast<int>(by_core.size());
  for (std::size_t sibling = 0, found = 1; found != 0; ++sibling) {
    found = 0;
    for (const auto& threads : by_core) {
      if (sibling < threads.size()) {
        order.cpus.push_back(threads[sibling]);
        ++found;
      }
    }
  }
  return order;
}

std::string join(const std::vector<int>& values) {
  std::string text;
  for (const int v : values) text += (text.empty() ? "" : ",") + std::to_string(v);
  return text;
}

bool pin_current_thread(int cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(static_cast<unsigned>(cpu), &mask);
  return pthread_setaffinity_np(pthread_self(), sizeof(mask), &mask) == 0;
}

}  // namespace

int physical_cores() {
  const int cores = allowed_cpus().cores;
  if (cores > 0) return cores;
  const unsigned fallback = std::thread::hardware_concurrency();
  return fallback == 0 ? 1 : static_cast<int>(fallback);
}

struct ThreadPool::Impl {
  // The job: written by the caller before `generation` is released, read by workers after they
  // acquire it.
  void (*call)(void*, int) = nullptr;
  void* context = nullptr;
  alignas(64) std::atomic<std::uint32_t> generation{0};
  alignas(64) std::atomic<int> pending{0};
  alignas(64) std::atomic<bool> stop{false};
  std::atomic<bool> park_now{false};

  int count = 1;
  std::chrono::microseconds spin{0};
  std::int64_t* wait_ns = nullptr;
  std::string pinning;
  std::vector<int> cpus;
  std::vector<int> thread_ids;
  cpu_set_t caller_mask{};
  bool caller_pinned = false;
  std::vector<std::jthread> workers;

  void work(int member) {
    kernels::reset_float_mode();
    const auto index = static_cast<std::size_t>(member);
    if (!cpus.empty()) pin_current_thread(cpus[index]);
    thread_ids[index] = static_cast<int>(syscall(SYS_gettid));
    finish_one();
    std::uint32_t seen = 0;
    for (;;) {
      wait_for_job(seen);
      ++seen;
      if (stop.load(std::memory_order_acquire)) return;
      call(context, member);
      finish_one();
    }
  }

  void wait_for_job(std::uint32_t seen) {
    const auto changed = [&] { return generation.load(std::memory_order_acquire) != seen; };
    const auto changed_or_parking = [&] {
      return changed() || park_now.load(std::memory_order_relaxed);
    };
    spin_until(changed_or_parking, spin);
    while (!changed()) generation.wait(seen, std::memory_order_acquire);
  }

  void finish_one() {
    if (pending.fetch_sub(1, std::memory_order_acq_rel) == 1) pending.notify_one();
  }

  void wait_for_all() {
    const auto done = [&] { return pending.load(std::memory_order_acquire) == 0; };
    if (spin_until(done, spin)) return;
    for (int left = pending.load(std::memory_order_acquire); left != 0;
         left = pending.load(std::memory_order_acquire)) {
      pending.wait(left, std::memory_order_acquire);
    }
  }

  void choose_cpus(bool pin) {
    if (!pin) {
      pinning = "not pinned: switched off";
      return;
    }
    CpuOrder order = allowed_cpus();
    if (static_cast<int>(order.cpus.size()) < count) {
      pinning = "not pinned: " + std::to_string(count) + " threads on " +
                std::to_string(order.cpus.size()) + " usable CPUs";
      return;
    }
    order.cpus.resize(static_cast<std::size_t>(count));
    cpus = std::move(order.cpus);
    pinning = "pinned to CPUs " + join(cpus);
  }
};

ThreadPool::ThreadPool(const ThreadPoolOptions& options) : impl_(std::make_unique<Impl>()) {
  Impl& impl = *impl_;
  impl.count = options.threads > 0 ? options.threads : physical_cores();
  impl.spin = std::chrono::microseconds(options.spin_us);
  impl.choose_cpus(options.pin);
  kernels::reset_float_mode();
  impl.thread_ids.assign(static_cast<std::size_t>(impl.count), 0);
  impl.thread_ids[0] = static_cast<int>(syscall(SYS_gettid));
  impl.pending.store(impl.count - 1, std::memory_order_relaxed);
  for (int member = 1; member < impl.count; ++member) {
    impl.workers.emplace_back([&impl, member] { impl.work(member); });
  }
  if (!impl.cpus.empty() &&
      pthread_getaffinity_np(pthread_self(), sizeof(impl.caller_mask), &impl.caller_mask) == 0) {
    impl.caller_pinned = pin_current_thread(impl.cpus[0]);
  }
  impl.wait_for_all();
}

ThreadPool::~ThreadPool() {
  Impl& impl = *impl_;
  impl.stop.store(true, std::memory_order_release);
  impl.generation.fetch_add(1, std::memory_order_release);
  impl.generation.notify_all();
  impl.workers.clear();  // joins
  if (impl.caller_pinned) {
    pthread_setaffinity_np(pthread_self(), sizeof(impl.caller_mask), &impl.caller_mask);
  }
}

int ThreadPool::threads() const noexcept { return impl_->count; }
const std::string& ThreadPool::pinning() const noexcept { return impl_->pinning; }
const std::vector<int>& ThreadPool::cpus() const noexcept { return impl_->cpus; }
const std::vector<int>& ThreadPool::thread_ids() const noexcept { return impl_->thread_ids; }

void ThreadPool::park() { impl_->park_now.store(true, std::memory_order_relaxed); }

void ThreadPool::time_waits(std::int64_t* ns) noexcept { impl_->wait_ns = ns; }

void ThreadPool::run_raw(void (*call)(void*, int), void* context) {
  Impl& impl = *impl_;
  if (impl.count == 1) {
    call(context, 0);
    return;
  }
  WaitTimer waits(impl.wait_ns);
  impl.park_now.store(false, std::memory_order_relaxed);
  impl.call = call;
  impl.context = context;
  impl.pending.store(impl.count - 1, std::memory_order_relaxed);
  impl.generation.fetch_add(1, std::memory_order_release);
  impl.generation.notify_all();
  waits.pause();
  call(context, 0);
  waits.resume();
  impl.wait_for_all();
  waits.pause();
}

}  // namespace tern::engine
