#include "harness/eval_output.h"

#include <iostream>

namespace tern::harness {

void write_eval_report(const EvalReport& report, const EvalOptions& options) {
  std::cout << (options.json ? eval_json(report, options.log_samples) + "\n"
                             : eval_markdown(report))
            << std::flush;
}

}  // namespace tern::harness
