#include "evals/task.h"

#include <algorithm>
#include <map>

#include "datasets/error.h"
#include "evals/described_task.h"
#include "evals/embedded_tasks.h"
#include "evals/error.h"
#include "evals/task_description.h"

namespace tern::evals {

namespace {

// A description and the views of it that a TaskInfo is made of. It stays where it is: tasks refer
// to it.
struct Entry {
  explicit Entry(TaskDescription given) : description(std::move(given)) {
    for (const FilterDescription& filter : description.filters) filters.push_back(filter.name);
    if (filters.empty()) filters.push_back("none");
    const std::string_view rows = description.test.rows;
    info = {.name = description.task,
            .summary = description.summary,
            .version = description.version,
            .output = description.output,
            .default_fewshot = description.num_fewshot,
            .most_new_tokens = description.output == OutputType::kGenerateUntil
                                   ? description.limits.max_tokens
                                   : 0,
            .dataset = description.dataset,
            .dataset_config = description.dataset_config,
            .split = description.split,
            .folder = rows.substr(0, rows.find('/')),
            .group = description.group,
            .chat = description.chat,
            .filters = filters,
            .metrics = description.metrics,
            .make = [this](const TaskOptions& options) {
              return make_described_task(description, info, options);
            }};
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  TaskDescription description;
  std::vector<std::string_view> filters;
  TaskInfo info;
};

using Entries = std::vector<std::unique_ptr<Entry>>;

std::string embedded_text(std::string_view name) {
  for (const EmbeddedFile& task : embedded_tasks())
    if (task.name == name) return std::string(task.text);
  throw Error("include: expected the name of a task, got \"" + std::string(name) + "\"");
}

const Entries& embedded_entries() {
  static const Entries all = [] {
    Entries entries;
    for (const EmbeddedFile& task : embedded_tasks()) {
      const std::string file = "evals/tasks/" + std::string(task.name) + ".json";
      for (TaskDescription& description : parse_task_descriptions(task.text, file, embedded_text))
        entries.push_back(std::make_unique<Entry>(std::move(description)));
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return a->description.task < b->description.task;
    });
    return entries;
  }();
  return all;
}

TaskGroup& group_of(std::vector<TaskGroup>& all, const std::string& name, int version) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const TaskGroup& group) { return group.name == name; });
  if (found != all.end()) return *found;
  return all.emplace_back(TaskGroup{name, version, {}, {}});
}

// Names of tasks that stand in no group, and of groups that stand in none.
std::string known_names() {
  std::vector<std::string> names;
  for (const auto& entry : embedded_entries()) {
    const TaskDescription& task = entry->description;
    names.push_back(task.group.empty()          ? task.task
                    : task.parent_group.empty() ? task.group
                                                : task.parent_group);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string list;
  for (const std::string& name : names) list.append(list.empty() ? "" : ", ").append(name);
  return list;
}

// A user's description, read when it is first asked for and kept as long as the program runs.
const TaskInfo& task_of_file(const std::string& file) {
  static std::map<std::string, std::unique_ptr<Entry>, std::less<>> read;
  if (const auto found = read.find(file); found != read.end()) return found->second->info;
  std::vector<TaskDescription> tasks =
      parse_task_descriptions(datasets::read_file(file), file, embedded_text);
  if (tasks.size() != 1)
    throw Error(file + ": expected one task, got " + std::to_string(tasks.size()));
  const std::string& name = tasks.front().task;
  const std::span<const TaskInfo> own = evals::tasks();
  if (std::any_of(own.begin(), own.end(), [&](const TaskInfo& info) { return info.name == name; }))
    throw Error(file + ": task: expected a name no other task has, got \"" + name + "\"");
  return read.emplace(file, std::make_unique<Entry>(std::move(tasks.front()))).first->second->info;
}

}  // namespace

std::span<const TaskInfo> tasks() {
  static const std::vector<TaskInfo> all = [] {
    std::vector<TaskInfo> infos;
    for (const auto& entry : embedded_entries()) infos.push_back(entry->info);
    return infos;
  }();
  return all;
}

const TaskInfo& find_task(std::string_view name) {
  if (name.ends_with(".json")) return task_of_file(std::string(name));
  const std::span<const TaskInfo> all = tasks();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const TaskInfo& task) { return task.name == name; });
  if (found != all.end()) return *found;
  throw Error("tasks: expected one of " + known_names() +
              ", or the .json file of a task's description, got \"" + std::string(name) + "\"");
}

std::span<const TaskGroup> groups() {
  static const std::vector<TaskGroup> all = [] {
    std::vector<TaskGroup> made;
    for (const auto& entry : embedded_entries()) {
      const TaskDescription& task = entry->description;
      if (task.group.empty()) continue;
      group_of(made, task.group, task.group_version).tasks.push_back(task.task);
      if (task.parent_group.empty()) continue;
      TaskGroup& parent = group_of(made, task.parent_group, task.group_version);
      parent.tasks.push_back(task.task);
      if (std::find(parent.groups.begin(), parent.groups.end(), task.group) == parent.groups.end())
        parent.groups.push_back(task.group);
    }
    return made;
  }();
  return all;
}

const TaskGroup* find_group(std::string_view name) {
  const std::span<const TaskGroup> all = groups();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const TaskGroup& group) { return group.name == name; });
  return found == all.end() ? nullptr : &*found;
}

ModelAnswer ask(LanguageModel& model, const Request& request) {
  if (const auto* choice = std::get_if<ChoiceRequest>(&request))
    return {model.log_likelihoods(choice->context, choice->continuations)};
  if (const auto* rolling = std::get_if<RollingRequest>(&request))
    return {model.rolling_log_likelihoods(rolling->text)};
  if (const auto* contexts = std::get_if<ContextsRequest>(&request)) {
    ChoiceAnswer answer;
    for (const std::string& context : contexts->contexts)
      answer.push_back(model.log_likelihoods(context, {&contexts->continuation, 1}).at(0));
    return {std::move(answer)};
  }
  const auto& text = std::get<TextRequest>(request);
  Generation generation = model.generate(text.prompt, text.limits);
  return {std::move(generation.text), generation.prompt_tokens, generation.new_tokens,
          generation.dropped_tokens};
}

ItemResult evaluate(const Task& task, std::size_t i, LanguageModel& model,
                    const ChatTemplate& chat_template) {
  ModelAnswer given = ask(model, rendered(task.request(i), chat_template));
  ItemResult result = task.score(i, std::move(given.answer));
  result.prompt_tokens = given.prompt_tokens;
  result.new_tokens = given.new_tokens;
  result.dropped_tokens = given.dropped_tokens;
  return result;
}

}  // namespace tern::evals
