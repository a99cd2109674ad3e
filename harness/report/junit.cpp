#include <fmt/format.h>

#include <algorithm>

#include "harness/report/compare_report.h"

namespace tern::harness {
namespace {

// XML 1.0 has no way to write most control characters, not even escaped.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::string test_case(const std::string& metric, const std::string& test,
                      const Judgement& judgement) {
  std::string text = fmt::format("    <testcase classname=\"tern.gate.{}\" name=\"{}\"",
                                 escaped(metric), escaped(test));
  const std::string reason = escaped(judgement.reason);
  switch (judgement.verdict) {
    case Verdict::kPass:
      return text + "/>\n";
    case Verdict::kRegression:
      text += fmt::format(">\n      <failure type=\"regression\" message=\"{}\"/>\n", reason);
      break;
    case Verdict::kInconclusive:
      text += fmt::format(">\n      <skipped message=\"inconclusive: {}\"/>\n", reason);
      break;
  }
  return text + "    </testcase>\n";
}

}  // namespace

std::string comparison_junit(const Comparison& comparison) {
  int tests = 0, failures = 0, skipped = 0;
  std::string cases;
  const auto add = [&](const std::string& metric, const std::string& test,
                       const Judgement& judgement) {
    ++tests;
    failures += judgement.verdict == Verdict::kRegression ? 1 : 0;
    skipped += judgement.verdict == Verdict::kInconclusive ? 1 : 0;
    cases += test_case(metric, test, judgement);
  };
  for (const ComparisonRow& row : comparison.rows) add(name(row.metric), row.test, row.judgement);
  for (const MissingMetric& missing : comparison.missing) {
    add(name(missing.metric), "not compared", {Verdict::kInconclusive, missing.why});
  }
  if (tests == 0) add("history", "comparison", comparison.verdict);
  const std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"",
                                         tests, failures, skipped);
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tern gate\" {}>\n"
      "  <testsuite name=\"tern gate\" {}>\n{}  </testsuite>\n</testsuites>\n",
      counts, counts, cases);
}

}  // namespace tern::harness
