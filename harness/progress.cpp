#include "harness/progress.h"

#include <fmt/format.h>

#include <ostream>

namespace tern::harness {

namespace {

constexpr int kBarWidth = 24;

// Trials of one study differ in length, so the mean is only a first guess; it gets better on the
// way.
std::string time_left(const StudyStep& step, std::int64_t elapsed_ns) {
  if (step.done == 0) return "ETA -:--";
  const double per_trial = static_cast<double>(elapsed_ns) / step.done;
  return "ETA " + duration_text(
                      static_cast<std::int64_t>(per_trial * (step.total - step.done) * 1e-9 + 0.5));
}

std::string bar(int done, int total) {
  const int full = total > 0 ? kBarWidth * done / total : 0;
  return "[" + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(kBarWidth - full), '.') + "]";
}

}  // namespace

std::string duration_text(std::int64_t seconds) {
  if (seconds < 3600) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

Progress::Progress(std::ostream& out, bool terminal, bool every_trial)
    : out_(out), terminal_(terminal), every_trial_(every_trial) {}

Progress::~Progress() { clear(); }

void Progress::draw(const std::string& line) {
  const std::size_t tail = drawn_ > line.size() ? drawn_ - line.size() : 0;
  out_ << '\r' << line << std::string(tail, ' ') << std::flush;
  drawn_ = line.size();
}

void Progress::clear() {
  if (drawn_ == 0) return;
  out_ << '\r' << std::string(drawn_, ' ') << '\r' << std::flush;
  drawn_ = 0;
}

void Progress::note(const std::string& sentence) {
  clear();
  out_ << "tern bench: " << sentence << std::endl;
}

void Progress::phase(const std::string& doing) {
  if (terminal_) {
    draw(doing + " ...");
  } else if (every_trial_) {
    out_ << "tern bench: " << doing << std::endl;
  }
}

void Progress::step(const StudyStep& step, std::int64_t elapsed_ns) {
  const std::string what =
      fmt::format("{} {}, pair {}/{}", step.test, step.subject, step.pair + 1, step.pairs);
  const std::string left = time_left(step, elapsed_ns);
  if (terminal_) {
    draw(fmt::format("{} {}/{} {} {}", bar(step.done, step.total), step.done, step.total, left,
                     what));
  } else if (every_trial_) {
    out_ << fmt::format("tern bench: {}/{} {}, {}", step.done + 1, step.total, what, left)
         << std::endl;
  } else if (step.test != last_test_) {
    out_ << fmt::format("tern bench: {}/{} {}, {}", step.done + 1, step.total, step.test, left)
         << std::endl;
  }
  last_test_ = step.test;
}

}  // namespace tern::harness
