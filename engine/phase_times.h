#pragma once
// Where the time of forward passes goes, phase by phase, as the calling thread sees it. Off unless
// a session is given a PhaseTimes to fill; then it costs one look at the clock per phase.

#include <array>
#include <chrono>
#include <cstdint>

namespace tern::engine {

enum class Phase : std::uint8_t {
  kEmbed,       // embedding rows
  kPrepare,     // norm and quantisation before qkv, o_proj, gate_up
  kQkv,         // query, key and value matrices
  kRopeStore,   // rotation, and storing keys and values
  kAttention,   // scores and weighted sums
  kOutput,      // o_proj
  kGateUp,      // gate and up matrices
  kActivation,  // activation, with the norm and quantisation before `down` in the same pass
  kDown,        // down matrix
  kResidual,    // additions to the residual stream
  kHead,        // last norm and output head
  kWait,        // the caller wakes the other threads and waits for the last one
};

inline constexpr std::array<const char*, 12> kPhaseNames = {
    "embed",   "prepare",    "qkv",  "rope_store", "attention", "o_proj",
    "gate_up", "activation", "down", "residual",   "head",      "wait"};

struct PhaseTimes {
  std::array<std::int64_t, kPhaseNames.size()> ns{};

  std::int64_t& operator[](Phase phase) noexcept { return ns[static_cast<std::size_t>(phase)]; }
};

// Charges the time since its construction, or since the last charge, to a phase; what the thread
// pool spent in kWait meanwhile is not charged twice. Without times it does nothing.
class PhaseLaps {
 public:
  explicit PhaseLaps(PhaseTimes* times) noexcept : times_(times) {
    if (times_ != nullptr) begin();
  }

  void charge(Phase phase) noexcept {
    if (times_ == nullptr) return;
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started_).count();
    (*times_)[phase] += elapsed - ((*times_)[Phase::kWait] - waited_ns_);
    begin();
  }

 private:
  using Clock = std::chrono::steady_clock;

  void begin() noexcept {
    started_ = Clock::now();
    waited_ns_ = (*times_)[Phase::kWait];
  }

  PhaseTimes* times_;
  Clock::time_point started_;
  std::int64_t waited_ns_ = 0;
};

}  // namespace tern::engine
