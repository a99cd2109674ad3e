#pragma once
// A task as data: the JSON files of evals/tasks, and a user's own. It says which files hold the
// questions, how a row becomes a prompt, what is an answer and how it is scored; README.md lists
// the keys. Keys are those of lm-evaluation-harness's task files where these have them.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/value.h"
#include "evals/row_forms.h"
#include "evals/task.h"
#include "evals/template.h"

namespace tern::evals {

// A file of rows, and where the authors keep them apart a file of labels.
struct DataFiles {
  std::string rows;    // below the folder of all datasets
  std::string labels;  // may be empty
};

struct FewshotDescription {
  DataFiles files;                       // `rows` is empty where there are samples or no examples
  std::vector<datasets::Value> samples;  // written into the description
  bool first_n = false;                  // the first ones of all, in order, instead of drawn ones
  // Draws one more and leaves out the document itself: what lm-evaluation-harness does where the
  // split of the questions is no "test_split" and that of the examples is not named.
  bool leave_out_document = false;
  std::optional<Template> doc_to_target;  // of examples, where it is another
};

struct FilterDescription {
  std::string name;
  std::string pattern;
  bool last_match = false;
  std::string fallback;
};

// What exact_match does to the answer and to the target before it compares.
struct ExactMatchDescription {
  std::vector<std::string> regexes_to_ignore;
  bool ignore_case = false;
};

struct TaskDescription {
  std::string task;
  std::string summary;
  int version = 0;
  OutputType output = OutputType::kGenerateUntil;
  std::string dataset, dataset_config, split;  // where lm-evaluation-harness has the rows from

  DataFiles test;
  std::string label_column;  // the rows' key for the labels of a file of labels
  std::vector<RowForm> forms;
  std::vector<Column> columns;  // empty: rows stay as they are
  FewshotDescription fewshot;
  int num_fewshot = 0;

  std::optional<Template> description;  // before everything, as the system's message in a chat
  std::optional<Template> doc_to_text;
  std::optional<Template> doc_to_target;
  std::optional<Template> choices;       // a list as one expression, or
  std::vector<Template> listed_choices;  // a template per choice
  std::optional<Template> count_in;      // rolling: the text whose words and bytes count
  std::string target_delimiter = " ";
  std::string fewshot_delimiter = "\n\n";
  bool chat = false;  // asks in a conversation in any case

  GenerationLimits limits;
  std::vector<FilterDescription> filters;
  std::vector<Metric> metrics;
  ExactMatchDescription exact_match;

  std::string group;         // may be empty
  std::string parent_group;  // of the group; may be empty
  int group_version = 0;
};

// The text of another description, by the name that "include" gives.
using IncludedText = std::function<std::string(std::string_view name)>;

// The tasks of one file: one, or with "each" one per word. Throws Error or datasets::FormatError
// that name the file, the key, what is expected there and what there is.
std::vector<TaskDescription> parse_task_descriptions(std::string_view text, const std::string& file,
                                                     const IncludedText& included);

}  // namespace tern::evals
