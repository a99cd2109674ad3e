#include "evals/metrics.h"

#include <array>
#include <string>

#include "evals/error.h"

namespace tern::evals {

namespace {

struct KnownMetric {
  OutputType output;
  bool by_default;
  Metric metric;
};

constexpr std::array<KnownMetric, 7> kMetrics = {{
    {OutputType::kLogLikelihood, true, {"acc", true}},
    {OutputType::kLogLikelihood, true, {"acc_norm", true}},
    {OutputType::kLogLikelihood, false, {"acc_bytes", true}},
    {OutputType::kGenerateUntil, true, {"exact_match", true}},
    {OutputType::kRolling, true, {"word_perplexity", false, Aggregation::kWeightedPerplexity}},
    {OutputType::kRolling, true, {"byte_perplexity", false, Aggregation::kWeightedPerplexity}},
    {OutputType::kRolling, true, {"bits_per_byte", false, Aggregation::kBitsPerByte}},
}};

}  // namespace

const char* aggregation_name(Aggregation aggregation) noexcept {
  switch (aggregation) {
    case Aggregation::kWeightedPerplexity:
      return "weighted_perplexity";
    case Aggregation::kBitsPerByte:
      return "bits_per_byte";
    case Aggregation::kMean:
      break;
  }
  return "mean";
}

Metric find_metric(std::string_view name, OutputType output) {
  std::string known;
  for (const KnownMetric& each : kMetrics) {
    if (each.output != output) continue;
    if (each.metric.name == name) return each.metric;
    known.append(known.empty() ? "" : ", ").append(each.metric.name);
  }
  throw Error("expected one of " + known + ", got \"" + std::string(name) + "\"");
}

std::vector<Metric> default_metrics(OutputType output) {
  std::vector<Metric> metrics;
  for (const KnownMetric& each : kMetrics)
    if (each.output == output && each.by_default) metrics.push_back(each.metric);
  return metrics;
}

}  // namespace tern::evals
