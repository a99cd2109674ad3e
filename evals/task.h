#pragma once
// A task turns documents into requests to a language model, and answers into scores. It is
// item-wise: the caller owns the loop, so that it can meter, stop, write progress and resume, and
// the task need not know. Prompts, filters and metrics are lm-evaluation-harness's, so that scores
// compare.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "datasets/manifest.h"
#include "datasets/value.h"
#include "evals/fewshot.h"
#include "evals/language_model.h"
#include "evals/request.h"

namespace tern::evals {

// One per continuation, or per context; of a rolling request one per window.
using ChoiceAnswer = std::vector<Likelihood>;
using Answer = std::variant<ChoiceAnswer, std::string>;  // the text, cut at the first stop string

// The document itself, as lm-evaluation-harness logs it: keys in the order of its dataset.
struct Field {
  std::string name;
  datasets::Value value;
};

struct MetricValue {
  std::string metric;
  double value = 0;                   // of a perplexity the log-likelihood
  std::optional<double> weight = {};  // of a perplexity the words or bytes it is spread over
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

enum class OutputType { kLogLikelihood, kGenerateUntil, kRolling };

// How the values of all items become one (lm-evaluation-harness's functions of these names).
enum class Aggregation {
  kMean,
  kWeightedPerplexity,  // e to the minus sum of values / sum of weights
  kBitsPerByte,         // the minus sum of values / sum of weights, in bits
};

// "mean", "weighted_perplexity" or "bits_per_byte".
const char* aggregation_name(Aggregation aggregation) noexcept;

struct Metric {
  std::string_view name;
  bool higher_is_better = true;
  Aggregation aggregation = Aggregation::kMean;
};

// How questions are put.
struct PromptStyle {
  bool apply_chat_template = false;     // in conversations: requests have messages
  bool fewshot_as_multiturn = true;     // examples are turns of them; else all is one message
  std::string system_instruction = {};  // before everything else; may be empty
};

struct TaskOptions {
  std::filesystem::path data;      // the folder that holds gsm8k/, piqa/, …
  std::optional<int> num_fewshot;  // nothing: the task's own
  std::uint32_t fewshot_seed = kFewshotSeed;
  bool scoring_only = false;  // answers come from elsewhere: few-shot examples need not be at hand
  PromptStyle style = {};
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
  std::string_view folder;  // of its files, below the folder of all datasets
  std::string_view group;   // may be empty
  bool chat = false;        // asks in a conversation whether told to or not
  std::span<const std::string_view> filters;
  std::span<const Metric> metrics;  // each filter has all of them
  // Reads the data. Throws datasets::FormatError, or Error where the options do not suit the task.
  std::function<std::unique_ptr<Task>(const TaskOptions&)> make;
};

// All tasks that come with the program, in alphabetical order.
std::span<const TaskInfo> tasks();
// The task of that name, or of the description in a file whose name ends in ".json", which is read
// once. Throws Error naming all tasks and groups when there is none.
const TaskInfo& find_task(std::string_view name);

// Tasks whose scores become one.
struct TaskGroup {
  std::string name;
  int version = 0;
  std::vector<std::string> tasks;   // all of them, those of groups within this one included
  std::vector<std::string> groups;  // directly within this one
};
std::span<const TaskGroup> groups();
// Null when there is no group of that name.
const TaskGroup* find_group(std::string_view name);

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

// What a model says to a request, and what it reports besides.
struct ModelAnswer {
  Answer answer;
  std::int64_t prompt_tokens = 0, new_tokens = 0, dropped_tokens = 0;
};
// A request that is text: see rendered().
ModelAnswer ask(LanguageModel& model, const Request& request);

// Asks the model and scores what it says. Where the request is a conversation, the template makes
// it text.
ItemResult evaluate(const Task& task, std::size_t i, LanguageModel& model,
                    const ChatTemplate& chat_template = nullptr);

}  // namespace tern::evals
