#include "energy/external/polled_source.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "energy/cpu_spent.h"
#include "energy/external/text.h"

namespace tern::energy {
namespace {

constexpr double kJoulesPerWh = 3600;
constexpr double kMicro = 1e6;
// A running machine draws power, so a sum that stands still for this long belongs to another one.
constexpr double kLongestSilence_s = 60;
// The sum starts high, and lower again after each gap: a fall is what no reader can take for
// energy.
constexpr std::uint64_t kFirstSum_uj = std::uint64_t{1} << 62;
constexpr std::uint64_t kStepDown_uj = std::uint64_t{1} << 52;  // 4.5 GJ, beyond any run

std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

Clock::duration ticks(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Power summed up as a counter of microjoules, by trapezoids between samples.
class PowerSum {
 public:
  // False when the gap since the last sample is too long: the sum has started again, lower.
  bool add(double power_w, std::int64_t time_ns, double longest_gap_s) {
    const double gap_s = static_cast<double>(time_ns - time_ns_) * 1e-9;
    const bool first = !any_;
    const bool joined = !first && gap_s <= longest_gap_s;
    if (joined) {
      const double grown_uj = (power_w_ + power_w) / 2 * gap_s * kMicro + rest_uj_;
      const double whole_uj = std::floor(grown_uj);
      rest_uj_ = grown_uj - whole_uj;
      sum_uj_ += static_cast<std::uint64_t>(whole_uj);
    } else if (!first) {
      base_uj_ -= kStepDown_uj;
      sum_uj_ = base_uj_;
      rest_uj_ = 0;
    }
    any_ = true;
    power_w_ = power_w;
    time_ns_ = time_ns;
    return first || joined;
  }
  std::uint64_t microjoules() const noexcept { return sum_uj_; }

 private:
  bool any_ = false;
  double power_w_ = 0;
  std::int64_t time_ns_ = 0;
  std::uint64_t base_uj_ = kFirstSum_uj;
  std::uint64_t sum_uj_ = kFirstSum_uj;
  double rest_uj_ = 0;
};

class PolledSource final : public EnergySource {
 public:
  explicit PolledSource(PolledMeter meter) : meter_(std::move(meter)) {
    thread_ = std::thread([this] { poll(); });
  }
  ~PolledSource() override {
    {
      const std::lock_guard lock(mutex_);
      stop_.raise();
    }
    resumed_.notify_all();
    thread_.join();
  }
  PolledSource(const PolledSource&) = delete;
  PolledSource& operator=(const PolledSource&) = delete;

  // The reason when the first question was not answered.
  std::string wait_for_first();

  const SourceInfo& info() const noexcept override { return info_; }
  void read(std::span<Reading> readings) noexcept override;
  std::string trouble() const override;
  std::int64_t own_cpu_ns() const noexcept override;
  void pause() noexcept override;
  void resume() noexcept override;

 private:
  void poll();
  bool wait_for_turn();
  Parsed<PowerReading> ask() const;
  void take(const Parsed<PowerReading>& reading, std::int64_t time_ns);
  void describe(const PowerReading& first);

  const PolledMeter meter_;
  StopSignal stop_;
  SourceInfo info_;  // complete before anybody reads
  bool has_power_ = false;
  bool has_counter_ = false;

  mutable std::mutex mutex_;  // guards what follows; never held while the meter is asked
  std::condition_variable answered_;
  std::condition_variable resumed_;
  bool paused_ = false;
  bool asking_ = false;
  std::int64_t answers_ = 0;          // and failures
  std::int64_t cpu_ns_ = 0;           // of the thread, up to the last of them
  std::optional<PowerReading> last_;  // the last good one
  std::int64_t last_ns_ = 0;
  PowerSum sum_;
  std::string error_;    // of the last question that failed
  std::string failure_;  // the last one, kept after recovery: it may explain a window still open

  std::thread thread_;  // last: it uses all of the above
};

void PolledSource::poll() {
  // The library that does the asking writes to sockets without MSG_NOSIGNAL.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (wait_for_turn()) {
    const Clock::time_point began = Clock::now();
    const std::int64_t before_ns = now_ns();
    const Parsed<PowerReading> reading = ask();
    const std::int64_t after_ns = now_ns();
    take(reading, before_ns + (after_ns - before_ns) / 2);
    stop_.wait_until(reading ? began + ticks(meter_.period_s)
                             : Clock::now() + ticks(meter_.retry_s));
  }
}

// Waits while it is paused; false when the source ends.
bool PolledSource::wait_for_turn() {
  std::unique_lock lock(mutex_);
  resumed_.wait(lock, [this] { return !paused_ || stop_.raised(); });
  asking_ = !stop_.raised();
  return asking_;
}

Parsed<PowerReading> PolledSource::ask() const {
  try {
    return meter_.ask(stop_);
  } catch (const std::exception& error) {  // no thread may end a run
    return Parsed<PowerReading>::failed(error.what());
  }
}

void PolledSource::take(const Parsed<PowerReading>& reading, std::int64_t time_ns) {
  const std::lock_guard lock(mutex_);
  const bool first = answers_ == 0;
  ++answers_;
  asking_ = false;
  cpu_ns_ = cpu_spent_ns();
  answered_.notify_all();
  if (!reading) {
    failure_ = error_ = reading.error;
    return;
  }
  if (first) {
    has_power_ = reading->power_w.has_value();
    has_counter_ = reading->counter_wh.has_value();
  }
  if ((has_power_ && !reading->power_w) || (has_counter_ && !reading->counter_wh)) {
    failure_ = error_ = "it answers without a value that it gave before";
    return;
  }
  const double gap_s = static_cast<double>(time_ns - last_ns_) * 1e-9;
  if (has_power_ && !sum_.add(*reading->power_w, time_ns, meter_.stale_s)) {
    failure_ = "nothing is known of " + short_number(gap_s) + " s" +
               (error_.empty() ? "" : ", after: " + error_);
  }
  last_ = *reading;
  last_ns_ = time_ns;
}

std::string PolledSource::wait_for_first() {
  std::unique_lock lock(mutex_);
  // The margin is for a machine that is too busy to run the thread.
  const bool came =
      answered_.wait_for(lock, ticks(meter_.answer_s + 5), [this] { return answers_ > 0; });
  if (!came) return "the first question was not answered in time";
  if (!last_) return failure_;
  describe(*last_);
  return "";
}

void PolledSource::describe(const PowerReading& first) {
  info_.name = meter_.name;
  info_.detail = meter_.detail;
  info_.coverage = meter_.coverage;
  Domain wall;
  wall.kind = DomainKind::kWall;
  wall.max_power_w = meter_.max_power_w;
  wall.included = true;
  if (first.power_w) {
    wall.name = "wall";
    wall.joules_per_count = 1 / kMicro;
    wall.update_s = meter_.stale_s;
    wall.max_silence_s = kLongestSilence_s;
    info_.domains.push_back(wall);
  }
  if (!first.counter_wh) return;
  const double quantum_j = meter_.counter_quantum_wh * kJoulesPerWh;
  wall.name = "wall/counter";
  wall.joules_per_count = quantum_j;
  wall.update_s = meter_.counter_update_s;
  // One step of it at 1 W, the least a running machine draws.
  wall.max_silence_s = std::max(2 * meter_.counter_update_s, quantum_j / 1.0);
  wall.included = !first.power_w;
  if (first.power_w) {
    wall.why_excluded =
        "the meter's own sum of the same energy, in steps of " + short_number(quantum_j) + " J";
  }
  info_.domains.push_back(wall);
}

void PolledSource::read(std::span<Reading> readings) noexcept {
  const std::lock_guard lock(mutex_);
  const std::int64_t time_ns = now_ns();
  const bool fresh = last_ && static_cast<double>(time_ns - last_ns_) * 1e-9 <= meter_.stale_s;
  for (Reading& reading : readings) reading = {0, time_ns, fresh ? 0 : ETIMEDOUT};
  if (!fresh) return;
  std::size_t i = 0;
  if (has_power_ && i < readings.size()) readings[i++].raw = sum_.microjoules();
  if (has_counter_ && i < readings.size()) {
    readings[i].raw =
        static_cast<std::uint64_t>(std::llround(*last_->counter_wh / meter_.counter_quantum_wh));
  }
}

std::string PolledSource::trouble() const {
  const std::lock_guard lock(mutex_);
  return failure_.empty() ? "" : meter_.detail + ": " + failure_;
}

std::int64_t PolledSource::own_cpu_ns() const noexcept {
  const std::lock_guard lock(mutex_);
  return cpu_ns_;
}

void PolledSource::pause() noexcept {
  std::unique_lock lock(mutex_);
  paused_ = true;
  answered_.wait_for(lock, ticks(meter_.answer_s + 5), [this] { return !asking_; });
}

void PolledSource::resume() noexcept {
  std::unique_lock lock(mutex_);
  if (!paused_) return;
  paused_ = false;
  resumed_.notify_all();
  const std::int64_t before = answers_;
  // The thread may still be waiting since its last question.
  answered_.wait_for(lock, ticks(meter_.period_s + meter_.answer_s + 5),
                     [&] { return answers_ != before; });
}

}  // namespace

Probe open_polled(PolledMeter meter) {
  const std::string name = meter.name;
  const std::string detail = meter.detail;
  const std::string remedy = meter.remedy;
  auto source = std::make_unique<PolledSource>(std::move(meter));
  const std::string why = source->wait_for_first();
  if (!why.empty()) return {name, nullptr, detail + ": " + why, remedy};
  return {name, std::move(source), "", ""};
}

}  // namespace tern::energy
