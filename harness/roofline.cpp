#include "harness/roofline.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tern::harness {

using nlohmann::json;

void keep_best(MachineLimits& limits, const MachineLimits& seen) {
  limits.threads = seen.threads;
  limits.read_bytes_per_s = std::max(limits.read_bytes_per_s, seen.read_bytes_per_s);
  limits.int8_ops_per_s = std::max(limits.int8_ops_per_s, seen.int8_ops_per_s);
  limits.fp32_ops_per_s = std::max(limits.fp32_ops_per_s, seen.fp32_ops_per_s);
  limits.bf16_ops_per_s = std::max(limits.bf16_ops_per_s, seen.bf16_ops_per_s);
  limits.why = limits.read_bytes_per_s > 0 ? "" : seen.why;
}

json to_json(const MachineLimits& limits) {
  json object = {{"threads", limits.threads}};
  const auto add = [&](const char* key, double value) {
    if (value > 0) object[key] = value;
  };
  add("read_bandwidth_bytes_per_s", limits.read_bytes_per_s);
  add("int8_ops_per_s", limits.int8_ops_per_s);
  add("fp32_ops_per_s", limits.fp32_ops_per_s);
  add("bf16_ops_per_s", limits.bf16_ops_per_s);
  if (!limits.why.empty()) object["why"] = limits.why;
  return object;
}

MachineLimits limits_from_json(const json& object) {
  MachineLimits limits;
  const auto number = [&](const char* key) {
    const auto field = object.is_object() ? object.find(key) : object.end();
    return field != object.end() && field->is_number() ? field->get<double>() : 0.0;
  };
  limits.threads = static_cast<int>(number("threads"));
  limits.read_bytes_per_s = number("read_bandwidth_bytes_per_s");
  limits.int8_ops_per_s = number("int8_ops_per_s");
  limits.fp32_ops_per_s = number("fp32_ops_per_s");
  limits.bf16_ops_per_s = number("bf16_ops_per_s");
  if (object.is_object() && object.contains("why") && object["why"].is_string()) {
    limits.why = object["why"].get<std::string>();
  }
  return limits;
}

namespace {

std::string why_no_roofline(const MachineLimits& limits, const Work& work) {
  if (work.bytes <= 0 || work.operations() <= 0) {
    return "the trials do not say how many bytes and operations they took";
  }
  if (limits.read_bytes_per_s <= 0) {
    return "the read bandwidth was not measured" +
           (limits.why.empty() ? std::string() : ": " + limits.why);
  }
  if ((work.int8_ops > 0 && limits.int8_ops_per_s <= 0) ||
      (work.fp32_ops > 0 && limits.fp32_ops_per_s <= 0) ||
      (work.bf16_ops > 0 && limits.bf16_ops_per_s <= 0)) {
    return "the peaks of the arithmetic were not measured" +
           (limits.why.empty() ? std::string() : ": " + limits.why);
  }
  return "";
}

}  // namespace

// Layers of different arithmetic follow each other on the same execution units: their times add up.
Roofline roofline(const MachineLimits& limits, const Work& work) {
  Roofline result;
  result.why = why_no_roofline(limits, work);
  if (!result.why.empty()) return result;
  const double memory_s = work.bytes / limits.read_bytes_per_s;
  double compute_s = 0;
  if (work.int8_ops > 0) compute_s += work.int8_ops / limits.int8_ops_per_s;
  if (work.fp32_ops > 0) compute_s += work.fp32_ops / limits.fp32_ops_per_s;
  if (work.bf16_ops > 0) compute_s += work.bf16_ops / limits.bf16_ops_per_s;
  result.ops_per_byte = work.operations() / work.bytes;
  result.ops_per_s = work.operations() / work.seconds;
  result.memory_share = memory_s / work.seconds;
  result.compute_share = compute_s / work.seconds;
  result.memory_bound = memory_s >= compute_s;
  result.ceiling_ts = work.tokens / std::max(memory_s, compute_s);
  return result;
}

}  // namespace tern::harness
