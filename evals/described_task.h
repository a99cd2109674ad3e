#pragma once
// Tasks made of a description: the documents, what stands before each of them, and how their
// answers are scored.

#include <memory>
#include <string>
#include <vector>

#include "datasets/manifest.h"
#include "datasets/value.h"
#include "evals/conversation.h"
#include "evals/question.h"
#include "evals/task.h"
#include "evals/task_description.h"

namespace tern::evals {

// What the tasks of all kinds of answers share.
class DescribedTask : public Task {
 public:
  const TaskInfo& info() const noexcept override { return info_; }
  std::size_t size() const noexcept override { return documents_.size(); }
  int num_fewshot() const noexcept override { return num_fewshot_; }
  std::span<const datasets::Provenance> data() const noexcept override { return data_; }
  std::vector<Field> document(std::size_t i) const override;
  std::string target(std::size_t i) const override { return questions_[i].target; }

 protected:
  // Reads all rows and asks all questions once, so that whatever is wrong with a row is said, with
  // its line, before a model is asked anything. Both must outlive the task.
  DescribedTask(const TaskDescription& description, const TaskInfo& info,
                const TaskOptions& options);

  const TaskDescription& description() const noexcept { return description_; }
  const datasets::Value& row(std::size_t i) const { return documents_[i]; }
  const Question& question(std::size_t i) const { return questions_[i]; }
  bool chat() const noexcept { return style_.apply_chat_template || description_.chat; }

  // Document i's prompt with `asked` at its end: `text`, or in a conversation `messages`.
  struct Prompt {
    std::string text;
    std::vector<ChatMessage> messages;
  };
  Prompt prompt(std::size_t i, const std::string& asked) const;

  // "piqa: expected EXPECTED as the answer to document 3, got …".
  [[noreturn]] void refuse(std::size_t i, const std::string& expected, const Answer& answer) const;
  // The likelihoods of an answer that must have `count` of them. Throws Error.
  const ChoiceAnswer& likelihoods(std::size_t i, const Answer& answer, std::size_t count) const;

 private:
  void read_documents(const TaskOptions& options);
  void read_examples(const TaskOptions& options);
  std::vector<Turn> turns_before(std::size_t i) const;

  const TaskDescription& description_;
  const TaskInfo& info_;
  PromptStyle style_;
  int num_fewshot_ = 0;
  std::vector<datasets::Value> documents_;
  std::vector<Question> questions_;                // of documents
  std::vector<std::vector<Turn>> examples_;        // by index; those nobody needs are empty
  std::vector<std::vector<std::size_t>> choices_;  // of examples, per document
  std::vector<datasets::Provenance> data_;
};

// The task of the description's kind. Both arguments must outlive it. Throws datasets::FormatError,
// or Error where the options do not suit the task.
std::unique_ptr<Task> make_described_task(const TaskDescription& description, const TaskInfo& info,
                                          const TaskOptions& options);

}  // namespace tern::evals
