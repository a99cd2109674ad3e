#include "harness/report/subject_notes.h"

#include <fmt/core.h>

namespace tern::harness {

std::vector<std::string> subject_notes(const SubjectFacts& subject) {
  std::vector<std::string> notes;
  if (subject.ternary_bits > 0) {
    notes.push_back(fmt::format("ternary weights: {} {} bits each in memory ({}; {})", subject.name,
                                subject.ternary_bits, subject.why_ternary_bits, subject.model));
  }
  if (subject.greedy_head) {
    notes.emplace_back(
        "greedy head: decoding searches the largest logit through a Q8_0 copy of the head, which "
        "finds the same token");
  }
  if (subject.skip_zeros) {
    notes.push_back(fmt::format(
        "skipped zeros: one sequence of {} decodes from {:.1f} % of the rows of up and {:.1f} % of "
        "the columns of down, with the same answers ({})",
        subject.name, 100 * subject.up_rows_read, 100 * subject.down_columns_read, subject.model));
  }
  return notes;
}

}  // namespace tern::harness
