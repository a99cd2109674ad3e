#include "evals/question.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "evals/error.h"

namespace tern::evals {

using datasets::Value;

namespace {

std::vector<std::string> read_choices(const TaskDescription& task, const Value& row) {
  std::vector<std::string> choices;
  for (const Template& choice : task.listed_choices) choices.push_back(choice.text(row));
  if (!task.choices) return choices;
  const Value list = task.choices->value(row);
  if (list.list() == nullptr)
    throw Error(std::string("expected a list of choices, got a JSON ") + list.type_name());
  for (const Value& choice : *list.list()) {
    if (choice.text() == nullptr)
      throw Error(std::string("expected choices that are strings, got a JSON ") +
                  choice.type_name());
    choices.push_back(*choice.text());
  }
  if (choices.empty()) throw Error("expected at least one choice, got none");
  return choices;
}

// A whole number, a truth value or digits are an index; other text is a choice itself.
std::optional<std::int64_t> as_index(const Value& value, const std::vector<std::string>& choices) {
  if (value.integer() != nullptr) return *value.integer();
  if (value.boolean() != nullptr) return *value.boolean() ? 1 : 0;
  if (value.text() == nullptr) return std::nullopt;
  const std::string& text = *value.text();
  std::int64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error == std::errc() && end == text.data() + text.size()) return index;
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found == choices.end()) return std::nullopt;
  return found - choices.begin();
}

std::size_t checked_index(const Value& value, const std::vector<std::string>& choices) {
  const std::optional<std::int64_t> index = as_index(value, choices);
  if (index && *index >= 0 && static_cast<std::size_t>(*index) < choices.size())
    return static_cast<std::size_t>(*index);
  throw Error("expected a right choice from 0 to " + std::to_string(choices.size() - 1) + ", got " +
              (index                     ? std::to_string(*index)
               : value.text() != nullptr ? "\"" + *value.text() + "\""
                                         : std::string("a JSON ") + value.type_name()));
}

Question read_choice(const TaskDescription& task, const Value& row, const Template& target) {
  Question question;
  question.choices = read_choices(task, row);
  const Value text = task.doc_to_text->value(row);
  question.choices_are_contexts = text.integer() != nullptr;
  if (question.choices_are_contexts) {
    question.right = checked_index(text, question.choices);
    question.target = target.text(row);
    return question;
  }
  question.text = task.doc_to_text->text(row);
  question.right = checked_index(target.value(row), question.choices);
  question.target = std::to_string(question.right);
  return question;
}

}  // namespace

Question read_question(const TaskDescription& task, const Value& row, bool example) {
  const bool own_target = example && task.fewshot.doc_to_target.has_value();
  const Template& target = own_target ? *task.fewshot.doc_to_target : *task.doc_to_target;
  if (task.output == OutputType::kLogLikelihood) return read_choice(task, row, target);
  Question question;
  if (task.doc_to_text) question.text = task.doc_to_text->text(row);
  question.target = target.text(row);
  return question;
}

std::vector<Turn> example_turns(const TaskDescription& task, const Question& question) {
  const bool is_choice = !question.choices.empty();
  const std::string& asked =
      question.choices_are_contexts ? question.choices[question.right] : question.text;
  const std::string& answer = is_choice && !question.choices_are_contexts
                                  ? question.choices[question.right]
                                  : question.target;
  // An index is an answer even where its choice is empty.
  if (answer.empty() && !(is_choice && !question.choices_are_contexts))
    return {{"user", asked, ""}};
  return {{"user", asked, task.target_delimiter}, {"assistant", answer, task.fewshot_delimiter}};
}

}  // namespace tern::evals
