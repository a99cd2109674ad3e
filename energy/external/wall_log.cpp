#include "energy/external/wall_log.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "energy/external/log_window.h"
#include "energy/external/power_reading.h"
#include "energy/external/text.h"
#include "energy/sysfs_file.h"

namespace tern::energy {
namespace {

constexpr double kSecond_ns = 1e9;
constexpr const char* kName = "ptdaemon";
constexpr const char* kCoverage = "what the wall meter of the log supplies";
constexpr std::string_view kTableHeader = "unix_s,watts";
constexpr const char* kForm = "Time,MM-DD-YYYY HH:MM:SS.mmm,Watts,N,… or, below unix_s,watts, N,N";
constexpr double kMostJoules = 9e12;  // in microjoules just below 2^63
constexpr double kLatest_s = 4e9;     // the year 2096: beyond it a time is no Unix time in seconds

// Two numbers of the date whose order the file decides, and the rest of the moment.
struct Stamp {
  int first = 0;
  int second = 0;
  int year = 0;
  std::int64_t in_day_ns = 0;
};

// Decimal digits from the front, exactly so many.
std::optional<int> take_digits(std::string_view& text, std::size_t count, char then) {
  if (text.size() < count) return std::nullopt;
  const auto value = parse_count(text.substr(0, count));
  text.remove_prefix(count);
  if (then != '\0') {
    if (!text.starts_with(then)) return std::nullopt;
    text.remove_prefix(1);
  }
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

std::optional<Stamp> parse_stamp(std::string_view text) {
  const auto first = take_digits(text, 2, '-');
  const auto second = take_digits(text, 2, '-');
  const auto year = take_digits(text, 4, ' ');
  const auto hour = take_digits(text, 2, ':');
  const auto minute = take_digits(text, 2, ':');
  if (!first || !second || !year || !hour || !minute || *hour > 23 || *minute > 59) return {};
  const auto seconds = parse_finite(text);
  if (!seconds || text.starts_with('-') || !(*seconds < 61)) return {};
  const std::int64_t whole_s = *hour * 3600 + *minute * 60;
  return Stamp{*first, *second, *year,
               whole_s * 1'000'000'000 + std::llround(*seconds * kSecond_ns)};
}

std::optional<std::int64_t> unix_ns(const Stamp& stamp, bool day_first) {
  using namespace std::chrono;
  const int month_number = day_first ? stamp.second : stamp.first;
  const int day_number = day_first ? stamp.first : stamp.second;
  const year_month_day date{year(stamp.year), month(static_cast<unsigned>(month_number)),
                            day(static_cast<unsigned>(day_number))};
  if (!date.ok() || stamp.year < 1970 || stamp.year > 2095) return std::nullopt;
  return nanoseconds(sys_days(date).time_since_epoch()).count() + stamp.in_day_ns;
}

// The first date of the file that only one order of day and month fits decides it.
bool is_day_first(std::string_view text) {
  std::optional<bool> order;
  for_each_line(text, [&](int, std::string_view line) -> std::string {
    if (take_field(line, ',') != "Time") return "";
    const auto stamp = parse_stamp(take_field(line, ','));
    if (stamp && stamp->first > 12) order = true;
    if (stamp && !order && stamp->second > 12) order = false;
    return order ? "decided" : "";
  });
  return order.value_or(false);
}

class Reader {
 public:
  explicit Reader(bool day_first) : day_first_(day_first) {}

  std::string line(int number, std::string_view text) {
    number_ = number;
    if (text.empty() || text.starts_with('#')) return "";
    if (text == kTableHeader && !std::exchange(table_, true)) return "";
    return table_ ? table_row(text) : ptdaemon_row(text);
  }

  Parsed<WallLog> finish() {
    std::vector<std::int64_t> times_ns;
    for (const WallSample& sample : log_.samples) times_ns.push_back(sample.time_ns);
    log_.interval_s = median_interval_s(times_ns);
    return std::move(log_);
  }

 private:
  std::string expected(const std::string& what, std::string_view got) const {
    return "line " + std::to_string(number_) + ": expected " + what + ", got " + shown(got);
  }

  std::string ptdaemon_row(std::string_view text) {
    std::string_view rest = text;
    const bool timed = take_field(rest, ',') == "Time";
    const std::string_view time = take_field(rest, ',');
    const std::string_view what = take_field(rest, ',');
    if (!timed || (what != "Watts" && what != "ERROR")) return expected(kForm, text);
    const auto stamp = parse_stamp(time);
    const auto time_ns = stamp ? unix_ns(*stamp, day_first_) : std::nullopt;
    if (!time_ns) {
      return expected(day_first_ ? "DD-MM-YYYY HH:MM:SS.mmm" : "MM-DD-YYYY HH:MM:SS.mmm", time);
    }
    if (what == "ERROR") {
      ++log_.meter_errors;
      return "";
    }
    return add(*time_ns, take_field(rest, ','));
  }

  std::string table_row(std::string_view text) {
    std::string_view rest = text;
    const std::string_view time = take_field(rest, ',');
    const auto seconds = parse_finite(time);
    if (!seconds || !(*seconds >= 0 && *seconds <= kLatest_s)) {
      return expected("seconds since 1970", time);
    }
    return add(std::llround(*seconds * kSecond_ns), rest);
  }

  std::string add(std::int64_t time_ns, std::string_view power) {
    const auto power_w = parse_finite(power);
    if (!power_w || !(*power_w >= 0 && *power_w <= kMaxNode_w)) {
      return expected("0 to " + short_number(kMaxNode_w) + " watts", power);
    }
    if (!log_.samples.empty() && time_ns <= log_.samples.back().time_ns) {
      return "line " + std::to_string(number_) +
             ": expected a time after the sample before it, got one that is not (was the clock set "
             "back?)";
    }
    log_.samples.push_back({time_ns, *power_w});
    return "";
  }

  bool day_first_;
  bool table_ = false;
  int number_ = 0;
  WallLog log_;
};

double seconds_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / kSecond_ns;
}

// Power at a moment between two samples.
double power_at(const WallSample& before, const WallSample& after, std::int64_t time_ns) {
  const double share =
      seconds_between(before.time_ns, time_ns) / seconds_between(before.time_ns, after.time_ns);
  return before.power_w + (after.power_w - before.power_w) * share;
}

Parsed<WallLog> parse_lines(std::string_view text) {
  Reader reader(is_day_first(text));
  const std::string error = for_each_line(
      text, [&](int number, std::string_view line) { return reader.line(number, line); });
  return error.empty() ? reader.finish() : Parsed<WallLog>::failed(error);
}

std::string why_uncovered(const WallLog& log, std::int64_t begin_ns, std::int64_t end_ns) {
  if (log.samples.empty()) return "the log has no sample yet";
  return uncovered(log.samples.front().time_ns, log.samples.back().time_ns, begin_ns, end_ns);
}

}  // namespace

Parsed<WallLog> parse_wall_log(std::string_view text) {
  Parsed<WallLog> log = parse_lines(text);
  if (!log || log->samples.size() >= 2) return log;
  return Parsed<WallLog>::failed("expected two samples or more, got " +
                                 std::to_string(log->samples.size()));
}

Parsed<WallLog> parse_wall_log_so_far(std::string_view text) {
  return parse_lines(complete_lines(text));
}

double longest_gap_s(const WallLog& log) noexcept { return kLongestGaps * log.interval_s; }

EnergyDelta energy_between(const WallLog& log, std::int64_t begin_ns, std::int64_t end_ns,
                           double offset_s) {
  const std::int64_t offset_ns = std::llround(offset_s * kSecond_ns);
  begin_ns -= offset_ns;
  end_ns -= offset_ns;
  EnergyDelta delta;
  delta.source = kName;
  delta.coverage = kCoverage;
  delta.window_s = seconds_between(begin_ns, end_ns);
  delta.why = why_uncovered(log, begin_ns, end_ns);
  delta.update_s = delta.edge_s = log.interval_s;
  double joules = 0;
  for (std::size_t i = 1; i < log.samples.size() && delta.why.empty(); ++i) {
    const WallSample& before = log.samples[i - 1];
    const WallSample& after = log.samples[i];
    const std::int64_t from_ns = std::max(before.time_ns, begin_ns);
    const std::int64_t to_ns = std::min(after.time_ns, end_ns);
    if (from_ns >= to_ns) continue;
    const double gap_s = seconds_between(before.time_ns, after.time_ns);
    if (gap_s > longest_gap_s(log)) {
      delta.why = "the log has no sample for " + short_number(gap_s) + " s inside the window";
    }
    joules += (power_at(before, after, from_ns) + power_at(before, after, to_ns)) / 2 *
              seconds_between(from_ns, to_ns);
    ++delta.updates;
  }
  DomainEnergy wall;
  wall.name = "wall";
  wall.included = true;
  wall.why = delta.why;
  if (delta.why.empty()) {
    delta.status = Status::kMeasured;
    delta.total_joules = wall.joules = joules;
    wall.measured = true;
  }
  delta.domains.push_back(std::move(wall));
  return delta;
}

Trace to_trace(const WallLog& log) {
  Trace trace;
  trace.info = {kName, "", {}, kCoverage, false};
  Domain wall;
  wall.name = "wall";
  wall.kind = DomainKind::kWall;
  wall.max_power_w = kMaxNode_w;
  wall.update_s = log.interval_s;
  wall.max_silence_s = std::numeric_limits<double>::infinity();
  wall.included = true;
  trace.info.domains.push_back(wall);
  if (log.samples.empty()) return trace;
  double sum_j = 0;
  trace.readings.push_back({0, log.samples.front().time_ns, 0});
  for (std::size_t i = 1; i < log.samples.size(); ++i) {
    const WallSample& before = log.samples[i - 1];
    const WallSample& now = log.samples[i];
    const double gap_s = seconds_between(before.time_ns, now.time_ns);
    sum_j += (before.power_w + now.power_w) / 2 * gap_s;
    if (sum_j > kMostJoules) {
      trace.readings.push_back({0, now.time_ns, ERANGE});
      continue;
    }
    const std::int64_t counts = std::llround(sum_j / wall.joules_per_count);
    const int error = gap_s > longest_gap_s(log) ? ENODATA : 0;
    trace.readings.push_back({static_cast<std::uint64_t>(counts), now.time_ns, error});
  }
  return trace;
}

}  // namespace tern::energy
