#include "harness/recorded_scores.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <utility>

#include "harness/statistics.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// Values by filter and metric, in the order of the documents.
using Values = std::map<std::pair<std::string, std::string>, std::vector<double>>;

const json& member(const json& object, const char* key) {
  static const json kNothing;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : kNothing;
}

void take_results(const json& item, Values& values) {
  for (const json& result : member(item, "results")) {
    const json& filter = member(result, "filter");
    const json& metrics = member(result, "metrics");
    if (!filter.is_string() || !metrics.is_object()) continue;
    for (const auto& [metric, value] : metrics.items()) {
      if (!value.is_number()) continue;
      values[{filter.get<std::string>(), metric}].push_back(value.get<double>());
    }
  }
}

// Sums and what they are spread over, by filter and metric.
struct Weighted {
  double sum = 0, weight = 0;
  std::int64_t n = 0;
};
using WeightedSums = std::map<std::pair<std::string, std::string>, Weighted>;

void take_weighted(const json& item, WeightedSums& sums) {
  for (const json& result : member(item, "results")) {
    const json& filter = member(result, "filter");
    const json& metrics = member(result, "weighted");
    if (!filter.is_string() || !metrics.is_object()) continue;
    for (const auto& [metric, value] : metrics.items()) {
      const json& sum = member(value, "sum");
      const json& weight = member(value, "weight");
      if (!sum.is_number() || !weight.is_number()) continue;
      Weighted& all = sums[{filter.get<std::string>(), metric}];
      all.sum += sum.get<double>();
      all.weight += weight.get<double>();
      ++all.n;
    }
  }
}

// How the values of a metric become one, "" where the evaluation does not say.
std::string aggregation_of(const json& eval, const std::string& metric) {
  for (const json& each : member(eval, "metrics")) {
    const json& aggregation = member(each, "aggregation");
    if (member(each, "name") == metric && aggregation.is_string()) return aggregation;
  }
  return "";
}

void add_weighted(const json& eval, json& scores) {
  WeightedSums sums;
  for (const json& item : eval.at("items")) take_weighted(item, sums);
  for (const auto& [name, all] : sums) {
    if (!(all.weight > 0)) continue;
    const double rate = -(all.sum / all.weight);
    const std::string aggregation = aggregation_of(eval, name.second);
    json score = {{"filter", name.first}, {"metric", name.second}, {"items", all.n}};
    if (aggregation == "weighted_perplexity") {
      score["value"] = std::exp(rate);
    } else if (aggregation == "bits_per_byte") {
      score["value"] = rate / std::numbers::ln2;
    } else {
      continue;
    }
    scores.push_back(std::move(score));
  }
}

json scores_of(const json& items) {
  Values values;
  for (const json& item : items) take_results(item, values);
  json scores = json::array();
  for (const auto& [name, samples] : values) {
    const Summary summary = summarize(samples);
    json score = {{"filter", name.first},
                  {"metric", name.second},
                  {"value", summary.mean},
                  {"items", summary.n}};
    if (summary.n > 1) score["stderr"] = summary.stddev / std::sqrt(summary.n);
    scores.push_back(std::move(score));
  }
  return scores;
}

void add_time(const json& items, json& entry) {
  std::vector<double> seconds;
  for (const json& item : items) {
    const json& elapsed = member(item, "elapsed_ns");
    if (elapsed.is_number()) seconds.push_back(elapsed.get<double>() * 1e-9);
  }
  if (!seconds.empty()) entry["s_per_question"] = summarize(seconds).mean;
}

// Over all questions or not at all: those that were measured may not stand for the others.
json energy_of(const json& items) {
  std::vector<double> joules;
  energy::Status status = energy::Status::kMeasured;
  for (const json& item : items) {
    const json& recorded = member(item, "energy");
    if (!recorded.is_object()) {
      return {{"status", "not_measured"}, {"why", "an item does not say what it used"}};
    }
    const energy::EnergyDelta delta = energy_from_json(recorded);
    if (delta.status == energy::Status::kNotMeasured) {
      return {{"status", "not_measured"}, {"why", delta.why}};
    }
    if (delta.status == energy::Status::kAttributed) status = delta.status;
    joules.push_back(delta.total_joules);
  }
  if (joules.empty()) return {{"status", "not_measured"}, {"why", "no question was answered"}};
  return {{"status", energy::name(status)}, {"j_per_question", summarize(joules).mean}};
}

json entry_of(const json& eval) {
  json entry = {{"task", "unknown"}, {"scores", json::array()}};
  for (const char* key : {"task", "version", "subject", "num_fewshot", "documents"}) {
    if (!member(eval, key).is_null()) entry[key] = member(eval, key);
  }
  const json& items = member(eval, "items");
  if (!items.is_array()) return entry;
  entry["items"] = items.size();
  entry["scores"] = scores_of(items);
  add_weighted(eval, entry["scores"]);
  entry["energy"] = energy_of(items);
  add_time(items, entry);
  return entry;
}

}  // namespace

json recorded_scores(const Record& record) {
  json entries = json::array();
  for (const json& eval : record.document().at("evals")) entries.push_back(entry_of(eval));
  return entries;
}

}  // namespace tern::harness
