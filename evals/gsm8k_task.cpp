#include <array>

#include "datasets/gsm8k.h"
#include "evals/error.h"
#include "evals/filter.h"
#include "evals/python_random.h"
#include "evals/tasks.h"

namespace tern::evals {

namespace {

constexpr std::uint32_t kFewshotSeed = 1234;
constexpr int kMaxNewTokens = 256;  // lm-evaluation-harness's, where a task sets none

constexpr std::array<std::string_view, 2> kFilters = {"strict-match", "flexible-extract"};
constexpr std::array<Metric, 1> kMetrics = {Metric{"exact_match", true}};

const std::array<RegexFilter, 2>& filters() {
  using Select = RegexFilter::Select;
  static const std::array<RegexFilter, 2> all = {
      RegexFilter(kFilters[0], R"(#### (\-?[0-9\.\,]+))", Select::kFirst),
      RegexFilter(kFilters[1], R"((-?[$0-9.,]{2,})|(-?[0-9]+))", Select::kLast)};
  return all;
}

int checked_fewshot(const TaskOptions& options, std::size_t examples) {
  const int wanted = options.num_fewshot.value_or(kGsm8kTask.default_fewshot);
  if (wanted < 0)
    throw Error("gsm8k: expected 0 few-shot examples or more, got " + std::to_string(wanted));
  if (!options.scoring_only && static_cast<std::size_t>(wanted) > examples) {
    throw Error("gsm8k: expected " + std::to_string(wanted) + " few-shot examples in " +
                (options.data / "gsm8k/train.jsonl").string() + ", got " +
                std::to_string(examples));
  }
  return wanted;
}

std::string question(const datasets::Gsm8kItem& item) {
  return "Question: " + item.question + "\nAnswer:";
}

class Gsm8kTask final : public Task {
 public:
  explicit Gsm8kTask(const TaskOptions& options) {
    datasets::Gsm8k test = load_gsm8k(options.data, datasets::Gsm8kSplit::kTest);
    items_ = std::move(test.items);
    data_.push_back(std::move(test.provenance));
    if (!options.scoring_only && options.num_fewshot.value_or(kGsm8kTask.default_fewshot) > 0) {
      datasets::Gsm8k train = load_gsm8k(options.data, datasets::Gsm8kSplit::kTrain);
      examples_ = std::move(train.items);
      data_.push_back(std::move(train.provenance));
    }
    num_fewshot_ = checked_fewshot(options, examples_.size());
    if (!examples_.empty()) draw_examples();
  }

  const TaskInfo& info() const noexcept override { return kGsm8kTask; }
  std::size_t size() const noexcept override { return items_.size(); }
  int num_fewshot() const noexcept override { return num_fewshot_; }
  std::span<const datasets::Provenance> data() const noexcept override { return data_; }

  Request request(std::size_t i) const override {
    std::string prompt;
    if (!draws_.empty()) {
      for (const std::size_t drawn : draws_[i]) {
        const datasets::Gsm8kItem& example = examples_[drawn];
        prompt += question(example) + " " + example.answer + "\n\n";
      }
    }
    prompt += question(items_[i]);
    return TextRequest{std::move(prompt), {{"Question:", "</s>", "<|im_end|>"}, kMaxNewTokens}};
  }

  std::vector<Field> document(std::size_t i) const override {
    return {{"question", items_[i].question}, {"answer", items_[i].answer}};
  }

  std::string target(std::size_t i) const override { return items_[i].answer; }

  ItemResult score(std::size_t i, Answer answer) const override {
    const auto* text = std::get_if<std::string>(&answer);
    if (text == nullptr) {
      throw Error("gsm8k: expected text as the answer to document " + std::to_string(i) +
                  ", got log-likelihoods");
    }
    ItemResult result;
    result.doc_id = static_cast<std::int64_t>(i);
    for (const RegexFilter& filter : filters()) {
      std::string response = filter.apply(*text);
      const double match = exact_number_match(response, items_[i].answer);
      result.filters.push_back({std::string(filter.name()),
                                std::move(response),
                                {{std::string(kMetrics[0].name), match}}});
    }
    result.answer = std::move(answer);
    return result;
  }

 private:
  // One draw per document, in the order of documents, from one generator: the examples of a
  // document depend on how many came before it, which is why all are drawn at once.
  void draw_examples() {
    PythonRandom random(kFewshotSeed);
    draws_.reserve(items_.size());
    for (std::size_t i = 0; i < items_.size(); ++i) {
      draws_.push_back(random.sample(static_cast<std::uint32_t>(examples_.size()),
                                     static_cast<std::uint32_t>(num_fewshot_)));
    }
  }

  std::vector<datasets::Gsm8kItem> items_, examples_;
  std::vector<std::vector<std::size_t>> draws_;  // per document, indices into examples_
  std::vector<datasets::Provenance> data_;
  int num_fewshot_ = 0;
};

}  // namespace

constinit const TaskInfo kGsm8kTask = {
    .name = "gsm8k",
    .summary = "grade-school word problems, worked out step by step; the final number counts",
    .version = 3,
    .output = OutputType::kGenerateUntil,
    .default_fewshot = 5,
    .most_new_tokens = kMaxNewTokens,
    .dataset = "openai/gsm8k",
    .dataset_config = "main",
    .split = "test",
    .filters = kFilters,
    .metrics = kMetrics,
    .make = [](const TaskOptions& options) -> std::unique_ptr<Task> {
      return std::make_unique<Gsm8kTask>(options);
    },
};

}  // namespace tern::evals
