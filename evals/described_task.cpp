#include "evals/described_task.h"

#include <utility>

#include "datasets/error.h"
#include "datasets/rows.h"
#include "evals/error.h"
#include "evals/fewshot.h"
#include "evals/text.h"

namespace tern::evals {

using datasets::Value;

namespace {

Value in_form(const TaskDescription& task, const Value& row) {
  Value value = row;
  for (const RowForm form : task.forms) value = form(value);
  return checked_columns(value, task.columns);
}

// What is wrong with a row, with its place.
template <typename Action>
auto at_row(const datasets::Rows& rows, std::size_t i, Action action) {
  try {
    return action();
  } catch (const Error& error) {
    throw datasets::FormatError(rows.place(i) + ": " + error.what());
  }
}

datasets::Rows load(const TaskDescription& task, const DataFiles& files,
                    const std::filesystem::path& folder, std::vector<datasets::Provenance>& data) {
  datasets::Rows rows = datasets::load_rows(folder, files.rows);
  data.push_back(rows.provenance);
  if (!files.labels.empty())
    data.push_back(datasets::add_labels(folder, files.labels, task.label_column, rows));
  return rows;
}

int checked_fewshot(const TaskDescription& task, const TaskOptions& options) {
  const int wanted = options.num_fewshot.value_or(task.num_fewshot);
  if (wanted < 0)
    throw Error(task.task + ": expected 0 few-shot examples or more, got " +
                std::to_string(wanted));
  const bool none = task.fewshot.files.rows.empty() && task.fewshot.samples.empty();
  if (wanted > 0 && (none || task.output == OutputType::kRolling)) {
    throw Error(task.task + ": expected 0 few-shot examples, since it has none, got " +
                std::to_string(wanted));
  }
  return wanted;
}

// lm-evaluation-harness's maybe_delimit.
std::string delimited(const std::string& first, const std::string& second,
                      const std::string& delimiter) {
  if (first.empty() || second.empty()) return first + second;
  const bool spaced = ends_with_space(first) || starts_with_space(second);
  return first + (spaced ? "" : delimiter) + second;
}

}  // namespace

DescribedTask::DescribedTask(const TaskDescription& description, const TaskInfo& info,
                             const TaskOptions& options)
    : description_(description),
      info_(info),
      style_(options.style),
      num_fewshot_(checked_fewshot(description, options)) {
  read_documents(options);
  if (!options.scoring_only && num_fewshot_ > 0) read_examples(options);
}

void DescribedTask::read_documents(const TaskOptions& options) {
  const datasets::Rows rows = load(description_, description_.test, options.data, data_);
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    at_row(rows, i, [&] {
      documents_.push_back(in_form(description_, rows.rows[i].value));
      questions_.push_back(read_question(description_, documents_.back(), false));
      if (questions_.back().choices_are_contexts != questions_.front().choices_are_contexts)
        throw Error("expected a question of the kind of the first one, got another");
      if (description_.description) description_.description->text(documents_.back());
    });
  }
}

void DescribedTask::read_examples(const TaskOptions& options) {
  const FewshotDescription& fewshot = description_.fewshot;
  datasets::Rows rows;
  std::vector<Value> pool = fewshot.samples;
  std::string source = "its description";
  if (!fewshot.files.rows.empty()) {
    rows = load(description_, fewshot.files, options.data, data_);
    source = rows.path.string();
    pool.clear();
    for (std::size_t i = 0; i < rows.rows.size(); ++i)
      pool.push_back(at_row(rows, i, [&] { return in_form(description_, rows.rows[i].value); }));
  }
  choices_ = choose_examples(
      documents_, pool,
      {num_fewshot_, fewshot.first_n, fewshot.leave_out_document, options.fewshot_seed},
      description_.task, source);
  examples_.resize(pool.size());
  for (const std::vector<std::size_t>& chosen : choices_) {
    for (const std::size_t i : chosen) {
      if (!examples_[i].empty()) continue;
      const auto turns = [&] {
        return example_turns(description_, read_question(description_, pool[i], true));
      };
      examples_[i] = rows.rows.empty() ? turns() : at_row(rows, i, turns);
    }
  }
}

std::vector<Field> DescribedTask::document(std::size_t i) const {
  std::vector<Field> fields;
  for (const datasets::Member& member : *documents_[i].object())
    fields.push_back({member.key, member.value});
  return fields;
}

std::vector<Turn> DescribedTask::turns_before(std::size_t i) const {
  std::vector<Turn> turns;
  const std::string own =
      description_.description ? description_.description->text(documents_[i]) : "";
  std::string system = delimited(style_.system_instruction, own, description_.fewshot_delimiter);
  if (!system.empty()) turns.push_back({"system", std::move(system), ""});
  if (choices_.empty()) return turns;
  for (const std::size_t example : choices_[i])
    turns.insert(turns.end(), examples_[example].begin(), examples_[example].end());
  return turns;
}

DescribedTask::Prompt DescribedTask::prompt(std::size_t i, const std::string& asked) const {
  std::vector<Turn> turns = turns_before(i);
  turns.push_back({"user", asked, ""});
  if (chat()) return {"", messages(turns, style_.fewshot_as_multiturn)};
  return {joined(turns), {}};
}

void DescribedTask::refuse(std::size_t i, const std::string& expected, const Answer& answer) const {
  const auto* likelihoods = std::get_if<ChoiceAnswer>(&answer);
  throw Error(
      description_.task + ": expected " + expected + " as the answer to document " +
      std::to_string(i) + ", got " +
      (likelihoods == nullptr ? "text" : std::to_string(likelihoods->size()) + " log-likelihoods"));
}

const ChoiceAnswer& DescribedTask::likelihoods(std::size_t i, const Answer& answer,
                                               std::size_t count) const {
  const auto* likelihoods = std::get_if<ChoiceAnswer>(&answer);
  if (likelihoods == nullptr || likelihoods->size() != count)
    refuse(i, std::to_string(count) + " log-likelihoods", answer);
  return *likelihoods;
}

}  // namespace tern::evals
