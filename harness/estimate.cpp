#include "harness/estimate.h"

#include <nlohmann/json.hpp>

#include "harness/record.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr double kJoulesPerPj = 1e-12;

// 0: the papers give no constant for such weights.
double weight_pj(const engine::ModelFacts& facts) {
  if (facts.ternary) return kInt8Add_pj;
  const std::string& type = facts.weight_types;
  if (type == "f16" || type == "bf16") return kFp16Add_pj + kFp16Mul_pj;
  if (type == "q8_0" || type == "q4_0" || type == "q6_k") return kInt8Add_pj + kInt8Mul_pj;
  return 0;
}

json test_json(const Estimate& estimate) {
  json part = {{"subject", estimate.subject},
               {"test", estimate.test},
               {"tokens", estimate.tokens},
               {"bytes_j", estimate.bytes_j}};
  if (estimate.why_no_arithmetic.empty()) {
    part["linear_j"] = estimate.arithmetic.linear_j;
    part["attention_j"] = estimate.arithmetic.attention_j;
  } else {
    part["why_no_arithmetic"] = estimate.why_no_arithmetic;
  }
  return part;
}

}  // namespace

std::int64_t ArithmeticShape::linear_weights() const noexcept {
  return layers * (hidden * q_dim + 2 * hidden * kv_dim + q_dim * hidden + 3 * hidden * ffn);
}

ArithmeticEnergy arithmetic_energy(const ArithmeticShape& shape, std::int64_t tokens,
                                   std::int64_t attended) noexcept {
  const auto weights = static_cast<double>(shape.linear_weights());
  const auto pairs = 2.0 * static_cast<double>(shape.layers * shape.q_dim);
  const double fp16_pj = kFp16Add_pj + kFp16Mul_pj;
  return {.linear_j = static_cast<double>(tokens) * weights * shape.weight_pj * kJoulesPerPj,
          .attention_j = pairs * static_cast<double>(attended) * fp16_pj * kJoulesPerPj};
}

std::int64_t attended_positions(const TestCase& test) noexcept {
  const std::int64_t depth = test.depth, prompt = test.prompt, gen = test.gen;
  const std::int64_t filled = depth + prompt;
  const std::int64_t generated = gen * filled + gen * (gen + 1) / 2;
  return test.sequences * (prompt * filled + generated);
}

Estimate estimate_test(const engine::Model& model, const std::string& subject, const TestCase& test,
                       std::int64_t bytes_moved) {
  const engine::ModelConfig& config = model.config();
  Estimate estimate;
  estimate.subject = subject;
  estimate.test = test.name();
  estimate.tokens = test.tokens();
  estimate.bytes_j = static_cast<double>(bytes_moved) * kDramByte_pj * kJoulesPerPj;
  const double pj = weight_pj(model.facts());
  if (pj == 0) {
    estimate.why_no_arithmetic =
        "the papers give no energy per operation for weights of type " + model.facts().weight_types;
    return estimate;
  }
  estimate.arithmetic = arithmetic_energy({.layers = config.layers,
                                           .hidden = config.hidden,
                                           .q_dim = config.q_dim(),
                                           .kv_dim = config.kv_dim(),
                                           .ffn = config.ffn,
                                           .weight_pj = pj},
                                          test.tokens(), attended_positions(test));
  return estimate;
}

void record_estimates(Record& record, const std::vector<Estimate>& estimates) {
  json part = {{"caveats", estimate_caveats()},
               {"pj",
                {{"int8_add", kInt8Add_pj},
                 {"int8_mul", kInt8Mul_pj},
                 {"fp16_add", kFp16Add_pj},
                 {"fp16_mul", kFp16Mul_pj},
                 {"dram_byte", kDramByte_pj}}},
               {"tests", json::array()}};
  for (const Estimate& estimate : estimates) part["tests"].push_back(test_json(estimate));
  record.document()["estimate"] = std::move(part);
}

std::vector<std::string> estimate_caveats() {
  return {
      "a model and no measurement: nothing was metered, and no comparison, gate or verdict reads "
      "it",
      "arithmetic leaves out memory, caches, instructions, clocks, leakage and idle power, the "
      "head, "
      "the embedding, norms and rotations; a ternary weight is charged one INT8 addition, "
      "attention "
      "is charged in full at FP16",
      "bytes leaves out everything but the bytes that weights and cache take, all charged as DRAM "
      "however much of them caches hold",
      "constants: arXiv:2504.12285, table 4 (7 nm): INT8 add 0.007 pJ, mul 0.07 pJ, FP16 add 0.16 "
      "pJ, mul 0.34 pJ; DRAM 160 pJ per byte, as quoted after Horowitz 2014 (45 nm)",
      "the two come from different processes and do not add up; measured joules per token are "
      "thousands of times the arithmetic"};
}

}  // namespace tern::harness
