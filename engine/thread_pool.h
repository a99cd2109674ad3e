#pragma once
// A fixed team of threads for fork-join work inside one forward pass. The caller is member 0.
// Workers spin for a while after each job, then park in the kernel: spinning hides wake-up latency
// but burns joules, so how long is an option. Not reentrant; one caller at a time.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tern::engine {

struct ThreadPoolOptions {
  int threads = 0;    // 0: one per physical core this process may use
  bool pin = true;    // one thread per physical core first, then SMT siblings (hwloc)
  int spin_us = 200;  // how long a worker spins before it parks
};

class ThreadPool {
 public:
  explicit ThreadPool(const ThreadPoolOptions& options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept;
  // "pinned to CPUs 0,2,4,6", or why not.
  const std::string& pinning() const noexcept;
  // CPU ids of the members in member order; empty when not pinned.
  const std::vector<int>& cpus() const noexcept;
  // Kernel thread ids (gettid) of all members, the creating thread first: for per-thread counters.
  const std::vector<int>& thread_ids() const noexcept;

  // Runs f(member) once on each member, member in [0, threads()), and returns when all are done.
  // f must not throw.
  template <class F>
  void run(F&& f) {
    run_raw([](void* context,
               int member) { (*static_cast<std::remove_reference_t<F>*>(context))(member); },
            static_cast<void*>(std::addressof(f)));
  }

  // Splits [0, total) into one contiguous slice per member, each a multiple of `grain` (but the
  // last), and runs f(begin, end) on those not empty.
  template <class F>
  void parallel_rows(std::int64_t total, std::int64_t grain, F&& f) {
    const std::int64_t blocks = (total + grain - 1) / grain;
    const std::int64_t n = threads();
    run([&](int member) {
      const std::int64_t begin = blocks * member / n * grain;
      std::int64_t end = blocks * (member + 1) / n * grain;
      if (end > total) end = total;
      if (begin < end) f(begin, end);
    });
  }

  // f(i) for i in [0, total), handed out one by one to whoever is free: for uneven work.
  template <class F>
  void parallel_items(std::int64_t total, F&& f) {
    std::atomic<std::int64_t> next{0};
    run([&](int) {
      for (std::int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < total;
           i = next.fetch_add(1, std::memory_order_relaxed)) {
        f(i);
      }
    });
  }

  // Adds to *ns the time that run() takes the caller beside its own share of the work: waking the
  // others and waiting for the last one. nullptr: no longer.
  void time_waits(std::int64_t* ns) noexcept;

  // Lets all workers park now (before an idle measurement).
  void park();

 private:
  void run_raw(void (*call)(void*, int), void* context);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Physical cores this process may use (affinity mask respected), at least 1.
int physical_cores();

}  // namespace tern::engine
