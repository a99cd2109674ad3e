#include "evals/task.h"

#include <algorithm>
#include <array>

#include "evals/error.h"
#include "evals/tasks.h"

namespace tern::evals {

std::span<const TaskInfo> tasks() {
  static const std::array<TaskInfo, 2> all = {kGsm8kTask, kPiqaTask};
  return all;
}

const TaskInfo& find_task(std::string_view name) {
  const std::span<const TaskInfo> all = tasks();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const TaskInfo& task) { return task.name == name; });
  if (found != all.end()) return *found;
  std::string known;
  for (const TaskInfo& task : all) known.append(known.empty() ? "" : ", ").append(task.name);
  throw Error("tasks: expected one of " + known + ", got \"" + std::string(name) + "\"");
}

ItemResult evaluate(const Task& task, std::size_t i, LanguageModel& model) {
  const Request request = task.request(i);
  if (const auto* choice = std::get_if<ChoiceRequest>(&request))
    return task.score(i, model.log_likelihoods(choice->context, choice->continuations));
  const auto& text = std::get<TextRequest>(request);
  Generation generation = model.generate(text.prompt, text.limits);
  ItemResult result = task.score(i, std::move(generation.text));
  result.prompt_tokens = generation.prompt_tokens;
  result.new_tokens = generation.new_tokens;
  result.dropped_tokens = generation.dropped_tokens;
  return result;
}

}  // namespace tern::evals
