#pragma once
// The papers' way to put a figure on energy without a meter: operations and bytes times constants.
// It is a model of a part of the work and no measurement, so it has a place of its own in records
// ("estimate") and in reports, `tern bench --estimate` alone makes and prints it, and nothing that
// compares, judges or ranks may read it.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/model.h"
#include "harness/subject.h"

namespace tern::harness {

class Record;

// pJ per operation at 7 nm: arXiv:2504.12285, table 4.
inline constexpr double kInt8Add_pj = 0.007;
inline constexpr double kInt8Mul_pj = 0.07;
inline constexpr double kFp16Add_pj = 0.16;
inline constexpr double kFp16Mul_pj = 0.34;
// 640 pJ per access of 32 bits to DRAM at 45 nm, the figure quoted after Horowitz 2014. Newer
// memory takes less, by how much depends on the machine.
inline constexpr double kDramByte_pj = 160;

// What the arithmetic model reads of a network.
struct ArithmeticShape {
  std::int64_t layers = 0, hidden = 0, q_dim = 0, kv_dim = 0, ffn = 0;
  double weight_pj = 0;  // per weight of the linear layers and token

  // Without embedding and head, which the papers do not charge.
  std::int64_t linear_weights() const noexcept;
};

struct ArithmeticEnergy {
  double linear_j = 0, attention_j = 0;
  double joules() const noexcept { return linear_j + attention_j; }
};

// tokens · (linear weights · weight_pj) + 2 · layers · q_dim · attended · (FP16 add + mul): the
// formula behind table 1 of arXiv:2504.12285, found by reconstruction (with S tokens and attended =
// S², causal masks ignored, it gives all six published values). attended: positions that attention
// reads, summed over tokens.
ArithmeticEnergy arithmetic_energy(const ArithmeticShape& shape, std::int64_t tokens,
                                   std::int64_t attended) noexcept;

// Of a test, in the papers' way: each token of a prompt reads all of it.
std::int64_t attended_positions(const TestCase& test) noexcept;

struct Estimate {
  std::string subject, test;
  std::int64_t tokens = 0;
  ArithmeticEnergy arithmetic;    // meaningful where why_no_arithmetic is empty
  std::string why_no_arithmetic;  // weights for which the papers give no constant
  double bytes_j = 0;             // bytes_moved · kDramByte_pj
};

// Ternary weights are charged an INT8 addition each, as in the papers; F16 and BF16 an FP16
// multiplication and addition, blocks an INT8 one of both.
Estimate estimate_test(const engine::Model& model, const std::string& subject, const TestCase& test,
                       std::int64_t bytes_moved);

// "estimate": constants, what they leave out, and joules by subject and test.
void record_estimates(Record& record, const std::vector<Estimate>& estimates);

// What the figures leave out and where their constants come from, a sentence each.
std::vector<std::string> estimate_caveats();

}  // namespace tern::harness
