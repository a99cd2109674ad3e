#include "energy/ticks.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tern::energy {
namespace {

constexpr std::size_t kMoves = 100;
constexpr double kPatience = 5;  // times the expected duration of all moves
constexpr double kPatientTicks = 20;
// A step seen across a longer gap than this share of an update dates nothing.
constexpr double kSharpest = 0.1;
// Where a clock stands still nothing else would end the waiting; a look costs a microsecond or
// more.
constexpr int kMostLooks = 10'000'000;

double seconds_between(const Reading& before, const Reading& after) {
  return static_cast<double>(after.time_ns - before.time_ns) * 1e-9;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::optional<double> measure_tick_s(EnergySource& source, std::size_t domain, double expected_s) {
  const double patience_s = kPatience * expected_s * static_cast<double>(kMoves);
  const Reading first = source.read_one(domain);
  if (first.error != 0) return std::nullopt;
  Reading before = first;
  std::optional<Reading> moved;
  std::vector<double> lengths_s;
  int looks = 0;
  for (; looks < kMostLooks && lengths_s.size() < kMoves; ++looks) {
    const Reading now = source.read_one(domain);
    if (now.error != 0 || seconds_between(first, now) > patience_s) break;
    if (now.raw != before.raw) {
      if (moved) lengths_s.push_back(seconds_between(*moved, now));
      moved = now;
    }
    before = now;
  }
  constexpr int kLeastLooksPerMove = 3;
  if (lengths_s.size() < kMoves || looks < kLeastLooksPerMove * static_cast<int>(kMoves)) {
    return std::nullopt;
  }
  const double tick_s = median(std::move(lengths_s));
  if (tick_s > kSlowestTick_s) return std::nullopt;
  return tick_s;
}

std::optional<double> wait_for_moves(EnergySource& source, std::span<const std::size_t> domains,
                                     double update_s, std::span<Reading> readings) {
  std::vector<std::size_t> waiting(domains.begin(), domains.end());
  for (const std::size_t i : waiting) readings[i] = source.read_one(i);
  if (waiting.empty()) return std::nullopt;
  const Reading first = readings[waiting.front()];
  double widest_s = 0;
  bool patient = true;
  const auto seen = [&](std::size_t i) {
    const Reading now = source.read_one(i);
    const Reading before = readings[i];
    readings[i] = now;
    patient = patient && now.error == 0 && seconds_between(first, now) < kPatientTicks * update_s;
    const double gap_s = seconds_between(before, now);
    if (!patient || now.raw == before.raw || gap_s > kSharpest * update_s) return false;
    widest_s = std::max(widest_s, gap_s);
    return true;
  };
  for (int look = 0; look < kMostLooks && patient && !waiting.empty(); ++look) {
    std::erase_if(waiting, [&](std::size_t i) { return patient && seen(i); });
  }
  if (!waiting.empty()) return std::nullopt;
  return widest_s;
}

}  // namespace tern::energy
