#pragma once
// A task as small as can be: document i asks for its own number.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evals/task.h"

namespace tern::harness {

inline constexpr std::string_view kCountingFilters[] = {"none"};
inline constexpr evals::Metric kCountingMetrics[] = {{"acc", true}};

inline evals::TaskInfo counting_info() {
  evals::TaskInfo info;
  info.name = "counting";
  info.version = 2;
  info.output = evals::OutputType::kGenerateUntil;
  info.filters = kCountingFilters;
  info.metrics = kCountingMetrics;
  return info;
}

// Documents 0, 1, 2, …: the right answer to document i is its number.
class CountingTask final : public evals::Task {
 public:
  explicit CountingTask(std::size_t size) : size_(size) {}
  const evals::TaskInfo& info() const noexcept override { return info_; }
  std::size_t size() const noexcept override { return size_; }
  int num_fewshot() const noexcept override { return 3; }
  std::span<const datasets::Provenance> data() const noexcept override { return {}; }
  evals::Request request(std::size_t i) const override {
    evals::TextRequest request;
    request.prompt = std::to_string(i);
    return request;
  }
  std::vector<evals::Field> document(std::size_t i) const override {
    return {{"number", static_cast<std::int64_t>(i)}};
  }
  std::string target(std::size_t i) const override { return std::to_string(i); }
  evals::ItemResult score(std::size_t i, evals::Answer answer) const override {
    evals::ItemResult result;
    result.doc_id = static_cast<std::int64_t>(i);
    const std::string& text = std::get<std::string>(answer);
    result.filters = {{"none", text, {{"acc", text == target(i) ? 1.0 : 0.0}}}};
    result.answer = std::move(answer);
    return result;
  }

 private:
  std::size_t size_;
  evals::TaskInfo info_ = counting_info();
};

}  // namespace tern::harness
