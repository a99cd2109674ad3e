#include "harness/bench_record.h"

#include <nlohmann/json.hpp>

#include "engine/synthetic.h"
#include "harness/baselines.h"
#include "harness/machine.h"
#include "harness/options.h"
#include "harness/trial_order.h"

namespace tern::harness {

namespace {

using nlohmann::json;

json protocol(const BenchOptions& options, const BenchConfiguration& configuration,
              std::size_t subjects, const engine::ThreadPool& pool) {
  json tests = json::array();
  for (const TestCase& test : options.tests) {
    tests.push_back({{"name", test.name()},
                     {"n_prompt", test.prompt},
                     {"n_gen", test.gen},
                     {"n_depth", test.depth},
                     {"sequences", test.sequences}});
  }
  return {
      {"command", "bench"},
      {"tests", std::move(tests)},
      {"order", order_text(subjects)},
      {"pairs", options.pairs},
      {"warmup", options.warmup},
      {"delay_s", options.delay_s},
      {"idle_s", options.idle_s},
      {"quick", options.quick},
      {"threads", configuration.threads},
      {"pinning", pool.pinning()},
      {"cpus", pool.cpus()},
      {"poll", configuration.poll},
      {"spin_us", spin_microseconds(configuration.poll)},
      {"n_batch", configuration.batch},
      {"n_ubatch", configuration.ubatch},
      {"type_k", name(configuration.cache_k)},
      {"type_v", name(configuration.cache_v)},
      {"token_seed", kTokenSeed},
      {"clock", "CLOCK_MONOTONIC_RAW"},
      {"logits_hash", {{"prompt", kVerifyPrompt}, {"steps", kVerifySteps}}},
  };
}

// Medians of the measurement that chose, where there was one.
json ternary_layout(const engine::TernaryLayout& layout) {
  json part = {{"bits", engine::bits_per_weight(layout.bits)}, {"why", layout.why}};
  if (layout.autotune.has_value()) {
    const engine::TernaryAutotune& autotune = *layout.autotune;
    part["autotune"] = {{"weights", autotune.weights},
                        {"threads", autotune.threads},
                        {"rounds", autotune.rounds},
                        {"pass_s", {{"2", autotune.pass_2_s}, {"1.6", autotune.pass_1_6_s}}}};
  }
  return part;
}

// How a twin of that type came out of the ternary weights.
std::string derivation(const std::string& type) {
  if (type == "f16") return "the ternary weights of the model, dequantised to FP16";
  if (type == "bf16") return "the ternary weights of the model, dequantised to BF16";
  return "the ternary weights of the model as blocks of " + type;
}

}  // namespace

json subject_part(const RecordedSubject& subject, bool derived) {
  const engine::ModelFacts& facts = subject.model->facts();
  json part = {
      {"name", subject.name},
      {"engine", "tern"},
      {"model", facts.spec},
      {"container", facts.container},
      {"format", facts.weight_types},
      {"description", facts.description},
      {"parameters", facts.parameters},
      {"bytes", facts.bytes},
      {"ternary", facts.ternary},
  };
  if (facts.ternary_layout.has_value()) {
    part["ternary_layout"] = ternary_layout(*facts.ternary_layout);
  }
  if (facts.head != engine::HeadType::kStored) part["head"] = name(facts.head);
  if (facts.greedy_head) part["greedy_head"] = true;
  if (facts.skip_zeros) part["skip_zeros"] = json::object();
  if (derived) part["derived_from"] = derivation(facts.weight_types);
  if (facts.container == "synthetic") part["seed"] = engine::kSyntheticSeed;
  if (subject.files != nullptr) {
    for (const FileDigest& file : *subject.files) {
      part["files"].push_back(
          {{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
    }
    if (subject.files->size() == 1) part["sha256"] = subject.files->front().sha256;
  }
  return part;
}

Record begin_bench_record(const BenchOptions& options, const BenchConfiguration& configuration,
                          const std::vector<RecordedSubject>& subjects,
                          const engine::ThreadPool& pool, const std::string& kernels_row) {
  Record record = Record::begin(kernels_row);
  json& document = record.document();
  document["machine"] = machine_facts();
  document["environment"]["before"] = environment_snapshot();
  document["protocol"] = protocol(options, configuration, subjects.size(), pool);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const bool twin = i > 0 && !named_twins(options.baseline).empty();
    document["subjects"].push_back(subject_part(subjects[i], twin));
  }
  return record;
}

void record_limits(Record& record, const MachineLimits& limits,
                   const std::vector<MachineLimits>& by_threads) {
  json part = to_json(limits);
  for (const MachineLimits& some : by_threads) part["by_threads"].push_back(to_json(some));
  record.document()["limits"] = std::move(part);
}

void record_skipping(Record& record, std::size_t subject, const engine::SkipCounts& counts) {
  if (counts.rows == 0) return;
  record.document()["subjects"].at(subject)["skip_zeros"] = {
      {"up_rows_read", counts.up_share()}, {"down_columns_read", counts.down_share()}};
}

void record_phases(Record& record, const std::vector<PhaseSample>& samples) {
  for (const PhaseSample& sample : samples) record.document()["phases"].push_back(to_json(sample));
}

void record_environment_after(Record& record) {
  record.document()["environment"]["after"] = environment_snapshot();
}

}  // namespace tern::harness
