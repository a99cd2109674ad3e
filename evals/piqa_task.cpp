#include <array>
#include <cmath>

#include "datasets/piqa.h"
#include "evals/error.h"
#include "evals/tasks.h"
#include "evals/text.h"

namespace tern::evals {

namespace {

constexpr std::array<std::string_view, 1> kFilters = {"none"};
constexpr std::array<Metric, 2> kMetrics = {Metric{"acc", true}, Metric{"acc_norm", true}};

// numpy's argmax: the first of equals, and not-a-number above all.
std::size_t argmax(std::span<const double> values) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < values.size() && !std::isnan(values[best]); ++i) {
    if (values[i] > values[best] || std::isnan(values[i])) best = i;
  }
  return best;
}

class PiqaTask final : public Task {
 public:
  explicit PiqaTask(const TaskOptions& options) {
    const int fewshot = options.num_fewshot.value_or(kPiqaTask.default_fewshot);
    if (fewshot != 0) {
      throw Error(
          "piqa: expected 0 few-shot examples, since its training questions are not read, got " +
          std::to_string(fewshot));
    }
    datasets::Piqa piqa = datasets::load_piqa(options.data);
    items_ = std::move(piqa.items);
    data_ = {std::move(piqa.questions), std::move(piqa.labels)};
  }

  const TaskInfo& info() const noexcept override { return kPiqaTask; }
  std::size_t size() const noexcept override { return items_.size(); }
  int num_fewshot() const noexcept override { return 0; }
  std::span<const datasets::Provenance> data() const noexcept override { return data_; }

  Request request(std::size_t i) const override {
    const datasets::PiqaItem& item = items_[i];
    ChoiceRequest request{"Question: " + item.goal + "\nAnswer:", {}};
    for (const std::string& solution : item.solutions)
      request.continuations.push_back(" " + solution);
    return request;
  }

  std::vector<Field> document(std::size_t i) const override {
    const datasets::PiqaItem& item = items_[i];
    return {{"goal", item.goal},
            {"sol1", item.solutions[0]},
            {"sol2", item.solutions[1]},
            {"label", std::int64_t{item.label}}};
  }

  std::string target(std::size_t i) const override { return std::to_string(items_[i].label); }

  ItemResult score(std::size_t i, Answer answer) const override {
    const datasets::PiqaItem& item = items_[i];
    const auto* likelihoods = std::get_if<ChoiceAnswer>(&answer);
    if (likelihoods == nullptr || likelihoods->size() != item.solutions.size()) {
      throw Error("piqa: expected 2 log-likelihoods as the answer to document " +
                  std::to_string(i) + ", got " +
                  (likelihoods == nullptr ? "text" : std::to_string(likelihoods->size())));
    }
    std::array<double, 2> sums{}, per_character{};
    for (std::size_t choice = 0; choice < sums.size(); ++choice) {
      sums[choice] = (*likelihoods)[choice].log_likelihood;
      // Code points of the solution as it stands in the data, without the space before it.
      per_character[choice] =
          sums[choice] / static_cast<double>(code_points(item.solutions[choice]));
    }
    const auto right = static_cast<std::size_t>(item.label);
    ItemResult result;
    result.doc_id = static_cast<std::int64_t>(i);
    result.filters = {{std::string(kFilters[0]),
                       "",
                       {{"acc", argmax(sums) == right ? 1.0 : 0.0},
                        {"acc_norm", argmax(per_character) == right ? 1.0 : 0.0}}}};
    result.answer = std::move(answer);
    return result;
  }

 private:
  std::vector<datasets::PiqaItem> items_;
  std::vector<datasets::Provenance> data_;
};

}  // namespace

constinit const TaskInfo kPiqaTask = {
    .name = "piqa",
    .summary = "which of two ways towards a goal works in the physical world",
    .version = 1,
    .output = OutputType::kLogLikelihood,
    .default_fewshot = 0,
    .dataset = "baber/piqa",
    .dataset_config = "",
    .split = "validation",
    .filters = kFilters,
    .metrics = kMetrics,
    .make = [](const TaskOptions& options) -> std::unique_ptr<Task> {
      return std::make_unique<PiqaTask>(options);
    },
};

}  // namespace tern::evals
