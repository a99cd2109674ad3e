#include "harness/report/eval_pairs_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/eval_pairs.h"
#include "harness/report/table.h"

namespace tern::harness {

namespace {

using json = nlohmann::ordered_json;

std::string interval_text(const EffectEstimate& difference) {
  if (!std::isfinite(difference.low) || !std::isfinite(difference.high)) return "n/a";
  return fmt::format("{:+.4f} to {:+.4f}", difference.low, difference.high);
}

json number_or_null(double value) { return std::isfinite(value) ? json(value) : json(); }

}  // namespace

std::string pairs_markdown(const EvalReport& report) {
  const std::vector<PairedScore> scores = paired_scores(report.runs);
  if (scores.empty()) return "";
  Table table({{"Task", 0, true},
               {"Filter", 0, true},
               {"Metric", 0, true},
               {"questions"},
               {report.subject},
               {"against", 0, true},
               {"value"},
               {"difference"},
               {fmt::format("{:.0f} % interval", kPairedLevel * 100)},
               {"right alone"},
               {"p"}});
  bool ranks = false;
  for (const PairedScore& score : scores) {
    ranks = ranks || !score.right_or_wrong;
    table.add({score.task, score.filter, score.metric, std::to_string(score.questions),
               fmt::format("{:.4f}", score.a), report.subjects().at(score.against),
               fmt::format("{:.4f}", score.b), fmt::format("{:+.4f}", score.difference.effect),
               interval_text(score.difference),
               score.right_or_wrong ? fmt::format("{} : {}", score.only_a, score.only_b) : "n/a",
               fmt::format("{:.3g}", score.difference.p)});
  }
  std::ostringstream out;
  table.write(out);
  out << "\nOn the questions that both answered. p is McNemar's exact test"
      << (ranks ? ", and of scores that are not 0 or 1 the signed-rank test" : "") << ".\n";
  return out.str();
}

json pairs_json(const EvalReport& report) {
  json list = json::array();
  for (const PairedScore& score : paired_scores(report.runs)) {
    json object = {{"task", score.task},
                   {"metric", score.metric},
                   {"filter", score.filter},
                   {"subject", report.subject},
                   {"against", report.subjects().at(score.against)},
                   {"questions", score.questions},
                   {"value", score.a},
                   {"value_against", score.b},
                   {"difference", score.difference.effect},
                   {"level", kPairedLevel},
                   {"low", number_or_null(score.difference.low)},
                   {"high", number_or_null(score.difference.high)},
                   {"test", score.right_or_wrong ? "McNemar, exact" : "signed ranks"},
                   {"p", score.difference.p},
                   {"smallest_p", score.difference.smallest_p}};
    if (score.right_or_wrong) {
      object["right_alone"] = score.only_a;
      object["right_alone_against"] = score.only_b;
    }
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace tern::harness
