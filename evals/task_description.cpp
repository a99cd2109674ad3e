#include "evals/task_description.h"

#include <algorithm>
#include <array>
#include <utility>

#include "evals/description_reader.h"
#include "evals/error.h"
#include "evals/metrics.h"
#include "evals/regex.h"

namespace tern::evals {

using datasets::Member;
using datasets::Value;

namespace {

// An included description may include another, so many deep.
constexpr int kDeepestInclude = 4;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// "<each>" and "<each words>" in all strings of a value: abstract_algebra, abstract algebra.
void fill_in(Value& value, const std::string& word) {
  if (auto* text = std::get_if<std::string>(&value.data)) {
    std::string words = word;
    std::replace(words.begin(), words.end(), '_', ' ');
    replace_all(*text, "<each>", word);
    replace_all(*text, "<each words>", words);
  } else if (auto* list = std::get_if<Value::List>(&value.data)) {
    for (Value& element : *list) fill_in(element, word);
  } else if (auto* object = std::get_if<Value::Object>(&value.data)) {
    for (Member& member : *object) fill_in(member.value, word);
  }
}

// The object with what it includes: its own keys win.
Value with_included(Value object, const std::string& file, const IncludedText& included,
                    int depth) {
  const Value* name = object.find("include");
  if (name == nullptr) return object;
  if (name->text() == nullptr)
    throw Error(file + ": include: expected the name of a task, got a JSON " + name->type_name());
  if (depth == kDeepestInclude) {
    throw Error(file + ": include: expected at most " + std::to_string(kDeepestInclude) +
                " descriptions that include each other, got more");
  }
  const std::string what = *name->text();
  Value base =
      with_included(datasets::parse_value(included(what), what), what, included, depth + 1);
  if (base.object() == nullptr) throw Error(what + ": expected a JSON object");
  auto& members = std::get<Value::Object>(base.data);
  for (Member& own : std::get<Value::Object>(object.data)) {
    if (own.key == "include") continue;
    std::erase_if(members, [&](const Member& member) { return member.key == own.key; });
    members.push_back(std::move(own));
  }
  return base;
}

// A file below the folder of all datasets.
std::string data_file(std::string name, const std::string& place) {
  const bool inside = !name.empty() && name.front() != '/' &&
                      name.find("..") == std::string::npos && name.find('/') != std::string::npos;
  if (inside) return name;
  throw Error(place +
              ": expected a file in a folder of the datasets, as \"quiz/test.jsonl\", got \"" +
              name + "\"");
}

DataFiles read_files(DescriptionReader& reader, const char* rows, const char* labels) {
  DataFiles files;
  if (auto name = reader.text(rows)) files.rows = data_file(*name, reader.place() + ": " + rows);
  if (auto name = reader.text(labels))
    files.labels = data_file(*name, reader.place() + ": " + labels);
  return files;
}

void read_data(DescriptionReader& reader, TaskDescription& task) {
  std::optional<DescriptionReader> data = reader.object("data");
  if (!data) reader.required("data", "an object");
  task.test = read_files(*data, "test", "test_labels");
  if (task.test.rows.empty()) data->required("test", "a string");
  task.fewshot.files = read_files(*data, "fewshot", "fewshot_labels");
  task.label_column = data->text("label_column").value_or("label");
  for (const std::string& form : data->texts("forms")) {
    try {
      task.forms.push_back(find_row_form(form));
    } catch (const Error& error) {
      throw Error(data->place() + ": forms: " + error.what());
    }
  }
  if (const Value* columns = data->take("columns")) {
    if (columns->object() == nullptr) data->refuse("columns", "an object", *columns);
    for (const Member& column : *columns->object()) {
      if (column.value.text() == nullptr) data->refuse(column.key, "a type", column.value);
      try {
        task.columns.push_back(parse_column(column.key, *column.value.text()));
      } catch (const Error& error) {
        throw Error(data->place() + ": " + error.what());
      }
    }
  }
  data->finish();
}

void read_source(DescriptionReader& reader, TaskDescription& task) {
  std::optional<DescriptionReader> source = reader.object("dataset");
  if (!source) return;
  task.dataset = source->text("path").value_or("");
  task.dataset_config = source->text("name").value_or("");
  task.split = source->text("split").value_or("");
  source->finish();
}

void read_fewshot(DescriptionReader& reader, TaskDescription& task) {
  task.num_fewshot = static_cast<int>(reader.integer_or("num_fewshot", 0, 0));
  std::optional<DescriptionReader> fewshot = reader.object("fewshot_config");
  if (!fewshot) return;
  task.fewshot.first_n = fewshot->word_or("sampler", {"default", "first_n"}, 0) == 1;
  task.fewshot.leave_out_document = fewshot->boolean_or("leave_out_document", false);
  task.fewshot.doc_to_target = fewshot->text_template("doc_to_target");
  if (const Value* samples = fewshot->take("samples")) {
    if (samples->list() == nullptr) fewshot->refuse("samples", "a list of objects", *samples);
    for (const Value& sample : *samples->list()) {
      if (sample.object() == nullptr) fewshot->refuse("samples", "a list of objects", sample);
      task.fewshot.samples.push_back(sample);
    }
  }
  fewshot->finish();
}

void read_choices(DescriptionReader& reader, TaskDescription& task) {
  const Value* choices = reader.take("doc_to_choice");
  const bool wanted = task.output == OutputType::kLogLikelihood;
  if (wanted && choices == nullptr) reader.required("doc_to_choice", "a list or a template");
  if (choices == nullptr) return;
  if (!wanted) reader.refuse("doc_to_choice", "no choices, as the answer is none", *choices);
  if (choices->text() != nullptr) {
    task.choices = reader.text_template("doc_to_choice");
    return;
  }
  for (const std::string& choice : reader.texts("doc_to_choice"))
    task.listed_choices.emplace_back(choice);
  if (task.listed_choices.empty()) reader.refuse("doc_to_choice", "at least one choice", *choices);
}

void read_prompt(DescriptionReader& reader, TaskDescription& task) {
  const bool rolling = task.output == OutputType::kRolling;
  task.description = reader.text_template("description");
  if (!rolling) reader.required("doc_to_text", "a template");
  reader.required("doc_to_target", "a template");
  task.doc_to_text = reader.text_template("doc_to_text");
  task.doc_to_target = reader.text_template("doc_to_target");
  task.count_in = reader.text_template("count_in");
  if (rolling && !task.count_in) task.count_in.emplace(task.doc_to_target->source());
  read_choices(reader, task);
  if (auto delimiter = reader.text("target_delimiter")) task.target_delimiter = *delimiter;
  if (auto delimiter = reader.text("fewshot_delimiter")) task.fewshot_delimiter = *delimiter;
  task.chat = reader.boolean_or("chat", false);
}

// Patterns are matched byte by byte (regex.h), so they have to be ASCII.
void check_pattern(const std::string& pattern, const std::string& place) {
  const bool ascii = std::all_of(pattern.begin(), pattern.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii)
    throw Error(place + ": expected a pattern of ASCII characters, got \"" + pattern + "\"");
  try {
    Regex compiled(pattern);
  } catch (const Error& error) {
    throw Error(place + ": " + error.what());
  }
}

FilterDescription read_filter(const Value& value, const std::string& place) {
  DescriptionReader reader(value, place);
  FilterDescription filter;
  filter.name = reader.required_text("name");
  filter.pattern = reader.required_text("regex_pattern");
  check_pattern(filter.pattern, place + ": regex_pattern");
  const std::int64_t select = reader.integer_or("group_select", 0, -1);
  if (select > 0)
    throw Error(place + ": group_select: expected 0 (the first match) or -1 (the last), got " +
                std::to_string(select));
  filter.last_match = select == -1;
  filter.fallback = reader.text("fallback").value_or("[invalid]");
  reader.finish();
  return filter;
}

void read_generation(DescriptionReader& reader, TaskDescription& task) {
  if (std::optional<DescriptionReader> generation = reader.object("generation_kwargs")) {
    task.limits.until = generation->texts("until");
    task.limits.max_tokens = generation->integer_or("max_gen_toks", task.limits.max_tokens, 1);
    if (generation->boolean_or("do_sample", false))
      throw Error(generation->place() + ": do_sample: expected false, as answers are greedy");
    generation->finish();
  }
  if (task.output == OutputType::kGenerateUntil && task.limits.until.empty())
    task.limits.until.push_back(task.fewshot_delimiter);
  const Value* filters = reader.take("filter_list");
  if (filters == nullptr) return;
  if (filters->list() == nullptr) reader.refuse("filter_list", "a list", *filters);
  if (task.output != OutputType::kGenerateUntil)
    reader.refuse("filter_list", "no filters, as the answer is no text", *filters);
  for (const Value& filter : *filters->list())
    task.filters.push_back(read_filter(filter, reader.place() + ": filter_list"));
}

void read_metrics(DescriptionReader& reader, TaskDescription& task) {
  for (const std::string& name : reader.texts("metric_list")) {
    try {
      task.metrics.push_back(find_metric(name, task.output));
    } catch (const Error& error) {
      throw Error(reader.place() + ": metric_list: " + error.what());
    }
  }
  if (task.metrics.empty()) task.metrics = default_metrics(task.output);
  if (std::optional<DescriptionReader> match = reader.object("exact_match")) {
    task.exact_match.regexes_to_ignore = match->texts("regexes_to_ignore");
    for (const std::string& pattern : task.exact_match.regexes_to_ignore)
      check_pattern(pattern, match->place() + ": regexes_to_ignore");
    task.exact_match.ignore_case = match->boolean_or("ignore_case", false);
    match->finish();
  }
}

TaskDescription read_task(const Value& value, const std::string& file) {
  DescriptionReader reader(value, file);
  TaskDescription task;
  task.task = reader.required_text("task");
  task.summary = reader.text("summary").value_or("");
  task.version = static_cast<int>(reader.integer_or("version", 0, 0));
  constexpr std::array kOutputs = {OutputType::kLogLikelihood, OutputType::kGenerateUntil,
                                   OutputType::kRolling};
  reader.required("output_type", "a string");
  task.output = kOutputs[reader.word_or(
      "output_type", {"multiple_choice", "generate_until", "loglikelihood_rolling"}, 0)];
  read_source(reader, task);
  read_data(reader, task);
  read_fewshot(reader, task);
  read_prompt(reader, task);
  read_generation(reader, task);
  read_metrics(reader, task);
  reader.finish();
  return task;
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 100 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// The keys that make one description many: {"each": {"GROUP": ["WORD", …], …}, "group": "ALL"}.
std::vector<TaskDescription> read_each(Value object, const std::string& file) {
  const Value each = *object.find("each");
  DescriptionReader keys(object, file);
  const std::string parent = keys.text("group").value_or("");
  const int version = static_cast<int>(keys.integer_or("group_version", 0, 0));
  if (each.object() == nullptr) keys.refuse("each", "an object of lists of words", each);
  std::erase_if(std::get<Value::Object>(object.data), [](const Member& member) {
    return member.key == "each" || member.key == "group" || member.key == "group_version";
  });
  std::vector<TaskDescription> tasks;
  for (const Member& group : *each.object()) {
    if (group.value.list() == nullptr) keys.refuse(group.key, "a list of words", group.value);
    for (const Value& word : *group.value.list()) {
      if (word.text() == nullptr || !is_name(*word.text()))
        keys.refuse(group.key, "words of letters, digits and _", word);
      Value filled = object;
      fill_in(filled, *word.text());
      TaskDescription& task = tasks.emplace_back(read_task(filled, file));
      task.group = group.key;
      task.parent_group = parent;
      task.group_version = version;
    }
  }
  if (tasks.empty()) keys.refuse("each", "at least one word", each);
  return tasks;
}

}  // namespace

std::vector<TaskDescription> parse_task_descriptions(std::string_view text, const std::string& file,
                                                     const IncludedText& included) {
  Value object = datasets::parse_value(text, file);
  if (object.object() == nullptr)
    throw Error(file + ": expected a JSON object, got a JSON " + object.type_name());
  object = with_included(std::move(object), file, included, 0);
  std::vector<TaskDescription> tasks;
  if (object.find("each") != nullptr) {
    tasks = read_each(std::move(object), file);
  } else {
    tasks.push_back(read_task(object, file));
  }
  for (const TaskDescription& task : tasks) {
    if (is_name(task.task)) continue;
    throw Error(file + ": task: expected a name of letters, digits, _ and -, got \"" + task.task +
                "\"");
  }
  return tasks;
}

}  // namespace tern::evals
