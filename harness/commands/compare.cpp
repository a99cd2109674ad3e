// tern compare A B: two sets of results held against each other. It informs and fails nothing; that
// is the business of tern gate.

#include <cstdio>

#include "harness/command.h"
#include "harness/compare_options.h"
#include "harness/error.h"
#include "harness/paired_run.h"
#include "harness/report/compare_report.h"

namespace tern::harness {

int run_compare(const std::vector<std::string>& args) {
  const std::optional<CompareOptions> options = parse_compare_options(args);
  if (!options.has_value()) return 0;
  const auto [a, b] = options->run.has_value()
                          ? measured_sides(run_paired(*options->run, "compare"))
                          : named_sides(options->sides, options->db);
  const std::string text =
      comparison_text(compare(a, b, options->comparison), options->output, false);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace tern::harness
