// The tasks and groups there are, and requests that are conversations.
#include "evals/task.h"

#include <algorithm>
#include <set>

#include "evals/error.h"
#include "tests/datasets/temporary_data.h"
#include "tests/evals/scripted_model.h"
#include "tests/support/catch.h"

namespace tern::tests {
namespace {

using namespace evals;

void write_gsm8k(const TemporaryData& data) {
  data.write("gsm8k/test.jsonl", "{\"question\":\"1+1?\",\"answer\":\"#### 2\"}\n");
  std::string train;
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i);
    train += "{\"question\":\"q" + n + "\",\"answer\":\"#### " + n + "\"}\n";
  }
  data.write("gsm8k/train.jsonl", train);
}

TEST_CASE("tasks are found by name") {
  std::set<std::string_view> names;
  for (const TaskInfo& task : tasks()) {
    INFO(task.name);
    CHECK(find_task(task.name).version == task.version);
    CHECK_FALSE(task.summary.empty());
    CHECK_FALSE(task.dataset.empty());
    CHECK_FALSE(task.folder.empty());
    CHECK_FALSE(task.metrics.empty());
    CHECK_FALSE(task.filters.empty());
    names.insert(task.name);
  }
  CHECK(names.size() == tasks().size());
  CHECK(std::is_sorted(tasks().begin(), tasks().end(),
                       [](const TaskInfo& a, const TaskInfo& b) { return a.name < b.name; }));
  for (const char* name :
       {"arc_challenge", "arc_easy", "boolq", "gsm8k", "gsm8k_bitnet", "gsm8k_cot",
        "gsm8k_cot_llama", "hellaswag", "openbookqa", "piqa", "wikitext", "winogrande"}) {
    CHECK(names.contains(name));
  }
  CHECK_THROWS_WITH(find_task("gsm"),
                    "tasks: expected one of arc_challenge, arc_easy, boolq, gsm8k, gsm8k_bitnet, "
                    "gsm8k_cot, gsm8k_cot_llama, hellaswag, mmlu, openbookqa, piqa, wikitext, "
                    "winogrande, or the .json file of a task's description, got \"gsm\"");
}

TEST_CASE("mmlu is a group of four groups of 57 subjects") {
  const TaskGroup* mmlu = find_group("mmlu");
  REQUIRE(mmlu != nullptr);
  CHECK(mmlu->version == 2);
  CHECK(mmlu->tasks.size() == 57);
  CHECK(mmlu->groups.size() == 4);
  std::size_t members = 0;
  for (const std::string& name : mmlu->groups) {
    const TaskGroup* group = find_group(name);
    REQUIRE(group != nullptr);
    CHECK(group->groups.empty());
    members += group->tasks.size();
    for (const std::string& task : group->tasks) CHECK(find_task(task).group == name);
  }
  CHECK(members == 57);
  CHECK(find_group("mmlu_stem")->tasks.size() == 19);
  CHECK(find_group("piqa") == nullptr);
}

TEST_CASE("the setting of BitNet's report is four examples in a conversation") {
  const TemporaryData data;
  write_gsm8k(data);
  TaskOptions options;
  options.data = data.folder();
  const auto task = find_task("gsm8k_bitnet").make(options);
  CHECK(task->num_fewshot() == 4);
  CHECK(task->info().chat);
  const auto request = std::get<TextRequest>(task->request(0));
  CHECK(request.prompt.empty());
  REQUIRE(request.messages.size() == 9);
  CHECK(request.messages.back() == ChatMessage{"user", "Question: 1+1?\nAnswer:"});
  options.style.fewshot_as_multiturn = false;
  const auto single = std::get<TextRequest>(find_task("gsm8k_bitnet").make(options)->request(0));
  REQUIRE(single.messages.size() == 1);
  CHECK(single.messages[0].content.ends_with("\n\nQuestion: 1+1?\nAnswer:"));
}

TEST_CASE("a conversation is asked through a chat template, and not without one") {
  const TemporaryData data;
  write_gsm8k(data);
  TaskOptions options;
  options.data = data.folder();
  options.num_fewshot = 0;
  options.style.apply_chat_template = true;
  options.style.system_instruction = "Be brief.";
  const auto task = find_task("gsm8k").make(options);
  ScriptedModel model;
  model.generation = {"#### 2", 1, 1, 0};
  const ChatTemplate angled = [](std::span<const ChatMessage> messages) {
    std::string text;
    for (const ChatMessage& message : messages) text += "<" + message.role + ">" + message.content;
    return text + "<assistant>";
  };
  const ItemResult result = evaluate(*task, 0, model, angled);
  CHECK(model.asked ==
        std::vector<std::string>{"<system>Be brief.<user>Question: 1+1?\nAnswer:<assistant>"});
  CHECK(result.filters.at(0).metrics.at(0).value == 1);
  CHECK_THROWS_WITH(evaluate(*task, 0, model),
                    Catch::Contains("expected a chat template, got none"));
}

TEST_CASE("contexts are asked one by one, and a long text as a whole") {
  const TemporaryData data;
  data.write("winogrande/dev.jsonl",
             R"({"sentence":"So _ won.","option1":"A","option2":"B","answer":"2"})");
  data.write("wikitext/test.jsonl", R"({"page":" two words "})");
  TaskOptions options;
  options.data = data.folder();
  ScriptedModel model;
  model.likelihoods = {{" won.", -2}};
  const ItemResult choice = evaluate(*find_task("winogrande").make(options), 0, model);
  CHECK(model.asked == std::vector<std::string>{"So A", "So B"});
  CHECK(choice.filters.at(0).metrics.at(0).value == 0);  // equal: the first, which is wrong
  model.rolling = {{-2, false, 4}, {-1, false, 1}};
  const ItemResult rolling = evaluate(*find_task("wikitext").make(options), 0, model);
  CHECK(model.asked.back() == " two words ");
  CHECK(rolling.filters.at(0).metrics.at(0).value == -3);
  CHECK(rolling.filters.at(0).metrics.at(0).weight == 4);
  CHECK_THROWS_WITH(
      find_task("wikitext").make(options)->score(0, "text"),
      "wikitext: expected a log-likelihood or several as the answer to document 0, got text");
  options.style.apply_chat_template = true;
  CHECK_THROWS_WITH(find_task("wikitext").make(options), Catch::Contains("no chat template"));
}

}  // namespace
}  // namespace tern::tests
