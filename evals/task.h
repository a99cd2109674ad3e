#pragma once
// A task turns documents into requests to a language model, and answers into scores. It is
// item-wise: the caller owns the loop, so that it can meter, stop, write progress and resume, and
// the task need not know. Prompts, filters and metrics are lm-evaluation-harness's, so that scores
// compare.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "datasets/manifest.h"
#include "evals/language_model.h"

namespace tern::evals {

// What a document asks of a model: how likely each continuation of a context is, or a text.
struct ChoiceRequest {
  std::string context;
  std::vector<std::string> continuations;  // with their leading space
};
struct TextRequest {
  std::string prompt;
  GenerationLimits limits;
};
using Request = std::variant<ChoiceRequest, TextRequest>;

using ChoiceAnswer = std::vector<Likelihood>;            // one per continuation
using Answer = std::variant<ChoiceAnswer, std::string>;  // the text, cut at the first stop string

// The document itself, as lm-evaluation-harness logs it: keys in the order of its dataset.
struct Field {
  std::string name;
  std::variant<std::int64_t, std::string> value;
};

struct MetricValue {
  std::string metric;
  double value = 0;
};

// What one filter made of the answer, and its scores.
struct FilterResult {
  std::string filter;
  std::string response;  // filtered; empty where the answer is likelihoods ("none")
  std::vector<MetricValue> metrics;
};

struct ItemResult {
  std::int64_t doc_id = 0;
  Answer answer;  // as the model gave it
  std::vector<FilterResult> filters;
  // What the model reported besides; zero where the answer came from elsewhere.
  std::int64_t prompt_tokens = 0, new_tokens = 0, dropped_tokens = 0;
};

enum class OutputType { kLogLikelihood, kGenerateUntil };

struct Metric {
  std::string_view name;
  bool higher_is_better = true;
};

struct TaskOptions {
  std::filesystem::path data;      // the folder that holds gsm8k/, piqa/, …
  std::optional<int> num_fewshot;  // nothing: the task's own
  bool scoring_only = false;  // answers come from elsewhere: few-shot examples need not be at hand
};

class Task;

struct TaskInfo {
  std::string_view name;
  std::string_view summary;
  int version = 0;
  OutputType output = OutputType::kGenerateUntil;
  int default_fewshot = 0;
  std::int64_t most_new_tokens = 0;  // a request may let a model generate; 0: none
  std::string_view dataset;          // its name where lm-evaluation-harness loads it from
  std::string_view dataset_config;   // may be empty
  std::string_view split;
  std::span<const std::string_view> filters;
  std::span<const Metric> metrics;  // each filter has all of them
  // Reads the data. Throws datasets::FormatError, or Error where the options do not suit the task.
  std::unique_ptr<Task> (*make)(const TaskOptions&) = nullptr;
};

// All tasks there are, in alphabetical order.
std::span<const TaskInfo> tasks();
// Throws Error naming all tasks when there is none of that name.
const TaskInfo& find_task(std::string_view name);

class Task {
 public:
  virtual ~Task() = default;

  virtual const TaskInfo& info() const noexcept = 0;
  virtual std::size_t size() const noexcept = 0;  // documents
  virtual int num_fewshot() const noexcept = 0;
  virtual std::span<const datasets::Provenance> data() const noexcept = 0;

  // For document i < size(). request() must not be called on a task made with scoring_only.
  virtual Request request(std::size_t i) const = 0;
  virtual std::vector<Field> document(std::size_t i) const = 0;
  virtual std::string target(std::size_t i) const = 0;
  // Throws Error when the answer is of the other kind or has another number of likelihoods.
  virtual ItemResult score(std::size_t i, Answer answer) const = 0;
};

// Asks the model and scores what it says.
ItemResult evaluate(const Task& task, std::size_t i, LanguageModel& model);

}  // namespace tern::evals
