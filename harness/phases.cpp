#include "harness/phases.h"

#include <nlohmann/json.hpp>

#include "harness/record.h"

namespace tern::harness {

using nlohmann::json;

std::int64_t PhaseSample::rest_ns() const noexcept {
  std::int64_t rest = elapsed_ns;
  for (const auto& [name, phase_ns] : ns) rest -= phase_ns;
  return rest;
}

std::vector<std::pair<std::string, std::int64_t>> named(const engine::PhaseTimes& times) {
  std::vector<std::pair<std::string, std::int64_t>> phases;
  for (std::size_t i = 0; i < times.ns.size(); ++i) {
    phases.emplace_back(engine::kPhaseNames[i], times.ns[i]);
  }
  return phases;
}

// A list, because objects forget the order of their keys.
json to_json(const PhaseSample& sample) {
  json phases = json::array();
  for (const auto& [name, ns] : sample.ns) phases.push_back({{"phase", name}, {"ns", ns}});
  return {{"subject", sample.subject},
          {"test", sample.test},
          {"elapsed_ns", sample.elapsed_ns},
          {"tokens", sample.tokens},
          {"phases", std::move(phases)}};
}

namespace {

PhaseSample from_json(const json& part) {
  PhaseSample sample;
  sample.subject = part.at("subject").get<std::string>();
  sample.test = part.at("test").get<std::string>();
  sample.elapsed_ns = part.at("elapsed_ns").get<std::int64_t>();
  sample.tokens = part.at("tokens").get<std::int64_t>();
  for (const json& phase : part.at("phases")) {
    sample.ns.emplace_back(phase.at("phase").get<std::string>(),
                           phase.at("ns").get<std::int64_t>());
  }
  return sample;
}

}  // namespace

std::vector<PhaseSample> recorded_phases(const Record& record) {
  std::vector<PhaseSample> samples;
  const json& document = record.document();
  if (!document.contains("phases") || !document["phases"].is_array()) return samples;
  for (const json& part : document["phases"]) {
    try {
      PhaseSample sample = from_json(part);
      // Without time or tokens there is nothing to take shares of.
      if (sample.elapsed_ns > 0 && sample.tokens > 0) samples.push_back(std::move(sample));
    } catch (const json::exception&) {
      continue;
    }
  }
  return samples;
}

}  // namespace tern::harness
