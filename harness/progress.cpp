#include "harness/progress.h"

#include <fmt/format.h>

#include <ostream>
#include <utility>

namespace tern::harness {

namespace {

constexpr int kBarWidth = 24;

// Trials of one study differ in length, so the mean is only a first guess; it gets better on the
// way.
std::string time_left(double elapsed_ns, std::size_t done, std::size_t left) {
  if (done == 0) return "ETA -:--";
  const double per_step = elapsed_ns / static_cast<double>(done);
  return "ETA " + duration_text(
                      static_cast<std::int64_t>(per_step * static_cast<double>(left) * 1e-9 + 0.5));
}

std::string time_left(const StudyStep& step, std::int64_t elapsed_ns) {
  return time_left(static_cast<double>(elapsed_ns), static_cast<std::size_t>(step.done),
                   static_cast<std::size_t>(step.total - step.done));
}

std::string bar(std::size_t done, std::size_t total) {
  const int full = total > 0 ? static_cast<int>(kBarWidth * done / total) : 0;
  return "[" + std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(kBarWidth - full), '.') + "]";
}

}  // namespace

std::string duration_text(std::int64_t seconds) {
  if (seconds < 3600) return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
  return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

Progress::Progress(std::ostream& out, bool terminal, bool every_trial, std::string command)
    : out_(out), terminal_(terminal), every_trial_(every_trial), command_(std::move(command)) {}

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
  out_ << command_ << ": " << sentence << std::endl;
}

void Progress::phase(const std::string& doing) {
  if (terminal_) {
    draw(doing + " ...");
  } else if (every_trial_) {
    out_ << command_ << ": " << doing << std::endl;
  }
}

void Progress::step(const StudyStep& step, std::int64_t elapsed_ns) {
  const std::string what =
      fmt::format("{} {}, pair {}/{}", step.test, step.subject, step.pair + 1, step.pairs);
  const std::string left = time_left(step, elapsed_ns);
  if (terminal_) {
    draw(fmt::format("{} {}/{} {} {}",
                     bar(static_cast<std::size_t>(step.done), static_cast<std::size_t>(step.total)),
                     step.done, step.total, left, what));
  } else if (every_trial_) {
    out_ << fmt::format("{}: {}/{} {}, {}", command_, step.done + 1, step.total, what, left)
         << std::endl;
  } else if (step.test != last_test_) {
    out_ << fmt::format("{}: {}/{} {}, {}", command_, step.done + 1, step.total, step.test, left)
         << std::endl;
  }
  last_test_ = step.test;
}

void Progress::item(const std::string& what, std::size_t done, std::size_t total,
                    std::size_t done_here, std::int64_t elapsed_ns) {
  const std::string left = time_left(static_cast<double>(elapsed_ns), done_here, total - done);
  const std::size_t tenth = total > 0 ? done * 10 / total : 0;
  if (terminal_) {
    draw(fmt::format("{} {}/{} {} {}", bar(done, total), done, total, left, what));
  } else if (every_trial_ || tenth != last_tenth_) {
    out_ << fmt::format("{}: {}/{} {}, {}", command_, done + 1, total, what, left) << std::endl;
  }
  last_tenth_ = tenth;
}

void Progress::transfer(const std::string& what, std::int64_t have, std::int64_t total,
                        std::int64_t arrived, std::int64_t elapsed_ns) {
  if (!terminal_) return;
  constexpr double kMiB = 1 << 20;
  const double seconds = static_cast<double>(elapsed_ns) * 1e-9;
  const double speed = seconds > 0 ? static_cast<double>(arrived) / seconds : 0;
  if (total <= 0) {
    draw(fmt::format("{} {:.1f} MiB, {:.1f} MiB/s", what, static_cast<double>(have) / kMiB,
                     speed / kMiB));
    return;
  }
  draw(fmt::format("{} {:.1f}/{:.1f} MiB, {:.1f} MiB/s, {} {}",
                   bar(static_cast<std::size_t>(have), static_cast<std::size_t>(total)),
                   static_cast<double>(have) / kMiB, static_cast<double>(total) / kMiB,
                   speed / kMiB,
                   time_left(static_cast<double>(elapsed_ns), static_cast<std::size_t>(arrived),
                             static_cast<std::size_t>(total - have)),
                   what));
}

}  // namespace tern::harness
