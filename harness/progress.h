#pragma once
// Progress of a run for whoever watches: one bar with the time left on a terminal, a few plain
// lines elsewhere (a log wants no carriage returns). Goes to stderr; stdout carries results only.

#include <cstdint>
#include <iosfwd>
#include <string>

#include "harness/study.h"

namespace tern::harness {

class Progress {
 public:
  // every_trial: without a terminal, one line per trial (or item) instead of one per test (or
  // tenth). command: begins every line of a log.
  Progress(std::ostream& out, bool terminal, bool every_trial, std::string command = "tern bench");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // A sentence of its own (a warning, a decision); it clears the bar first.
  void note(const std::string& sentence);
  // What takes a while before the first trial: "loading …". Only on a terminal, where it is
  // overwritten, or with every trial: an error that follows should be the one line of a log.
  void phase(const std::string& doing);

  // elapsed_ns: since the first trial began.
  void step(const StudyStep& step, std::int64_t elapsed_ns);
  // Item `done` of `total` begins. `done_here` of them were done in elapsed_ns, the others before.
  void item(const std::string& what, std::size_t done, std::size_t total, std::size_t done_here,
            std::int64_t elapsed_ns);
  // `have` of `total` bytes (total 0: nobody knows) of a file are there, `arrived` of them in
  // elapsed_ns. For a terminal only.
  void transfer(const std::string& what, std::int64_t have, std::int64_t total,
                std::int64_t arrived, std::int64_t elapsed_ns);
  void clear();  // removes the bar

 private:
  void draw(const std::string& line);

  std::ostream& out_;
  bool terminal_;
  bool every_trial_;
  std::string command_;
  std::size_t last_tenth_ = ~std::size_t{0};
  std::size_t drawn_ = 0;  // columns on the screen
  std::string last_test_;
};

// "1:05" or "2:03:04".
std::string duration_text(std::int64_t seconds);

}  // namespace tern::harness
