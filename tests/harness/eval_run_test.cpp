#include "harness/eval_run.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "engine/thread_pool.h"
#include "harness/error.h"
#include "harness/eval_options.h"
#include "harness/eval_record.h"
#include "harness/options.h"
#include "harness/report/eval_report.h"
#include "tests/harness/byte_tokenizer.h"
#include "tests/harness/counting_task.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using nlohmann::json;

class ScriptedModel final : public evals::LanguageModel {
 public:
  explicit ScriptedModel(std::function<std::string(const std::string&)> answer)
      : answer_(std::move(answer)) {}
  std::vector<evals::Likelihood> log_likelihoods(const std::string&,
                                                 std::span<const std::string>) override {
    throw std::logic_error("not asked for");
  }
  evals::Generation generate(const std::string& prompt, const evals::GenerationLimits&) override {
    asked.push_back(prompt);
    counts.evaluated_tokens += 10;
    counts.dropped_tokens += prompt == "1" ? 4 : 0;
    evals::Generation generation;
    generation.text = answer_(prompt);
    generation.new_tokens = 2;
    return generation;
  }

  std::vector<std::string> asked;
  EngineModelCounts counts;

 private:
  std::function<std::string(const std::string&)> answer_;
};

// A second passes between any two looks at the clock; every window takes 5 J.
class FakeInstruments final : public Instruments {
 public:
  std::int64_t unix_ns() override { return 1'764'000'000'000'000'000 + now_; }
  std::int64_t monotonic_ns() override { return now_ += 1'000'000'000; }
  void rest(int) override {}
  void start() override { ++running; }
  void stop(Trial& trial) override {
    --running;
    ++stopped;
    trial.energy.status = energy::Status::kMeasured;
    trial.energy.source = "fake";
    trial.energy.coverage = "all of nothing";
    trial.energy.window_s = 1;
    trial.energy.updates = 2;
    trial.energy.total_joules = 5;
    trial.energy.domains = {{"package-0", true, 5, true, ""}};
  }
  int running = 0;
  int stopped = 0;

 private:
  std::int64_t now_ = 0;
};

struct Log final : EvalListener {
  void on_start(const EvalStep& step) override { steps.push_back(step); }
  void on_item(std::size_t, const EvalItem& item) override {
    items.push_back(item);
    if (then) then();
  }
  std::vector<EvalStep> steps;
  std::vector<EvalItem> items;
  std::function<void()> then;
};

std::string echo(const std::string& prompt) { return prompt == "2" ? "wrong" : prompt; }

std::vector<std::int64_t> ids(const TaskRun& run) {
  std::vector<std::int64_t> list;
  for (const EvalItem& item : run.items) list.push_back(item.result.doc_id);
  return list;
}

TEST_CASE("every document is asked once, timed and metered by itself") {
  const CountingTask task(9);
  std::vector<TaskRun> runs = {{&task, 4, {}}};
  ScriptedModel model(echo);
  FakeInstruments instruments;
  Log log;
  CHECK(ask_all(runs, model, &model.counts, instruments, log, nullptr).empty());
  CHECK(model.asked == std::vector<std::string>{"0", "1", "2", "3"});
  CHECK(ids(runs[0]) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(runs[0].complete());
  CHECK(instruments.running == 0);
  REQUIRE(log.items.size() == 4);
  for (const EvalItem& item : log.items) {
    CHECK(item.elapsed_ns == 1'000'000'000);
    CHECK(item.energy.total_joules == 5);
    CHECK(item.tokens.evaluated_tokens == 10);
    CHECK(item.tokens.dropped_tokens == (item.result.doc_id == 1 ? 4 : 0));
  }
  CHECK(log.steps[3].done == 3);
  CHECK(log.steps[3].total == 4);
}

TEST_CASE("items that are there are not asked again") {
  const CountingTask task(5);
  std::vector<TaskRun> runs = {{&task, 5, {}}, {&task, 2, {}}};
  for (const std::size_t there : {0u, 3u}) {
    EvalItem item;
    item.result = task.score(there, evals::Answer(std::string("from before")));
    runs[0].items.push_back(item);
  }
  ScriptedModel model(echo);
  FakeInstruments instruments;
  Log log;
  CHECK(ask_all(runs, model, nullptr, instruments, log, nullptr).empty());
  CHECK(model.asked == std::vector<std::string>{"1", "2", "4", "0", "1"});
  CHECK(ids(runs[0]) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(std::get<std::string>(runs[0].items[3].result.answer) == "from before");
  CHECK(log.steps.front().done == 2);
  CHECK(log.steps.front().done_here == 0);
  CHECK(log.steps.back().done == 6);
  CHECK(log.steps.back().done_here == 4);
}

TEST_CASE("a model that throws ends the run; what was answered stays") {
  const CountingTask task(5);
  std::vector<TaskRun> runs = {{&task, 5, {}}};
  ScriptedModel model([](const std::string& prompt) -> std::string {
    if (prompt == "2") throw std::runtime_error("out of ideas");
    return prompt;
  });
  FakeInstruments instruments;
  Log log;
  const std::string failure = ask_all(runs, model, nullptr, instruments, log, nullptr);
  CHECK(failure == "counting, document 2: out of ideas");
  CHECK(ids(runs[0]) == std::vector<std::int64_t>{0, 1});
  CHECK(instruments.running == 0);
}

TEST_CASE("a run that is asked to stop does so behind the item in flight") {
  const CountingTask task(5);
  std::vector<TaskRun> runs = {{&task, 5, {}}};
  ScriptedModel model(echo);
  FakeInstruments instruments;
  std::atomic<bool> stop{false};
  Log log;
  log.then = [&] { stop = log.items.size() == 2; };
  CHECK(ask_all(runs, model, nullptr, instruments, log, &stop) == kInterrupted);
  CHECK(ids(runs[0]) == std::vector<std::int64_t>{0, 1});
}

// Takes several requests at once and answers the one that asks for least; each evaluates a token
// per round.
class ScriptedBatch final : public BatchedModel {
 public:
  explicit ScriptedBatch(std::size_t places) : places_(places) {}
  std::size_t places() const override { return places_ - flight_.size(); }
  void submit(std::size_t ticket, const evals::Request& request) override {
    const std::string& prompt = std::get<evals::TextRequest>(request).prompt;
    if (prompt == refused) throw std::runtime_error("not this one");
    flight_.push_back({ticket, prompt, 1 + std::stoi(prompt) % 3});
  }
  BatchAdvance advance() override {
    if (throwing) throw std::runtime_error("out of memory");
    const int rounds = std::min_element(flight_.begin(), flight_.end())->rounds;
    BatchAdvance advance;
    for (auto it = flight_.begin(); it != flight_.end();) {
      advance.evaluated.push_back({it->ticket, rounds});
      it->rounds -= rounds;
      if (it->rounds > 0) {
        ++it;
        continue;
      }
      BatchAnswer answer;
      answer.ticket = it->ticket;
      answer.answer = it->prompt;
      answer.counts.evaluated_tokens = 1 + std::stoi(it->prompt) % 3;
      advance.answered.push_back(answer);
      it = flight_.erase(it);
    }
    return advance;
  }
  std::string refused;
  bool throwing = false;

 private:
  struct Asked {
    std::size_t ticket;
    std::string prompt;
    int rounds;
    bool operator<(const Asked& other) const { return rounds < other.rounds; }
  };
  std::size_t places_;
  std::vector<Asked> flight_;
};

std::string ask_batch(std::vector<TaskRun>& runs, BatchedModel& model, Instruments& instruments,
                      EvalListener& log) {
  BatchedModel* const models[] = {&model};
  return ask_all(runs, models, instruments, log, nullptr);
}

TEST_CASE("seconds and joules of a batch are shared out, and their sum is what was measured") {
  const CountingTask task(9);
  const std::size_t places = GENERATE(1, 2, 4, 16);
  std::vector<TaskRun> runs = {{&task, 9, {}}};
  ScriptedBatch model(places);
  FakeInstruments instruments;
  Log log;
  CHECK(ask_batch(runs, model, instruments, log).empty());
  CHECK(ids(runs[0]) == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(instruments.running == 0);
  double joules = 0, seconds = 0, window_s = 0;
  for (const EvalItem& item : runs[0].items) {
    CAPTURE(item.result.doc_id);
    CHECK(item.result.filters[0].metrics[0].value == 1);
    CHECK(item.joules_measured());
    CHECK(item.company <= static_cast<int>(places));
    if (item.company == 1) {
      CHECK(item.energy.total_joules == 5 * item.energy.window_s);
    } else {
      CHECK(item.energy.status == energy::Status::kAttributed);
      CHECK_THAT(item.energy.why, Contains("shared out by tokens evaluated"));
      CHECK(item.energy.domains[0].joules == Approx(item.energy.total_joules));
    }
    joules += item.energy.total_joules;
    seconds += static_cast<double>(item.elapsed_ns) * 1e-9;
    window_s += item.energy.window_s;
  }
  CHECK(joules == Approx(5.0 * instruments.stopped));
  CHECK(seconds == Approx(instruments.stopped));
  CHECK(window_s == Approx(instruments.stopped));
  if (places == 1) CHECK(instruments.stopped == 9);
  if (places == 16) CHECK(instruments.stopped == 3);
}

TEST_CASE("a document that is refused ends a run behind those in flight") {
  const CountingTask task(9);
  std::vector<TaskRun> runs = {{&task, 9, {}}};
  ScriptedBatch model(4);
  model.refused = "5";
  FakeInstruments instruments;
  Log log;
  CHECK(ask_batch(runs, model, instruments, log) == "counting, document 5: not this one");
  CHECK(ids(runs[0]) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(instruments.running == 0);
  runs[0].items.clear();
  ScriptedBatch broken(3);
  broken.throwing = true;
  CHECK(ask_batch(runs, broken, instruments, log) == "counting, documents 0, 1, 2: out of memory");
  CHECK(instruments.running == 0);
}

TEST_CASE("an item of a batch survives the record") {
  const CountingTask task(9);
  std::vector<TaskRun> runs = {{&task, 4, {}}};
  ScriptedBatch model(4);
  FakeInstruments instruments;
  Log log;
  ask_batch(runs, model, instruments, log);
  for (const EvalItem& item : runs[0].items) {
    const json kept = to_json(item);
    const EvalItem again = eval_item_from_json(kept, task);
    CHECK(again.company == item.company);
    CHECK(again.windows == item.windows);
    CHECK(to_json(again) == kept);
  }
  CHECK(to_json(runs[0].items[2])["batch"]["questions"] == 4);
}

TEST_CASE("limits: all, the first ones, or a share rounded up") {
  CHECK(limited(10, std::nullopt) == 10);
  CHECK(limited(10, 3) == 3);
  CHECK(limited(10, 30) == 10);
  CHECK(limited(1319, 0.1) == 132);
}

// A store of its own with an evaluation of synth:tiny that the test interrupts.
struct Stored {
  Stored() : pool({.threads = 1, .pin = false}) {
    std::string name = (fs::temp_directory_path() / "tern-eval-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    store.emplace(folder / "t.db");
    subjects.push_back({.name = "ternary",
                        .model = engine::Model::load("synth:tiny", kernels_row(""), pool),
                        .tokenizer = std::make_shared<ByteTokenizer>(),
                        .files = {},
                        .tokenizer_files = {}});
    identity.subjects = &subjects;
    identity.kernels = "scalar";
    identity.threads = 1;
    runs = {{&task, 4, {}}};
  }
  ~Stored() {
    store.reset();
    fs::remove_all(folder);
  }

  // Evaluates and stores until `items` are there.
  Record run_until(std::size_t items) {
    Record record = begin_eval_record(identity, runs, pool);
    store->begin(record);
    ask(record, items);
    return record;
  }
  void ask(const Record& record, std::size_t items) {
    ScriptedModel language(echo);
    FakeInstruments instruments;
    std::atomic<bool> stop{false};
    struct Keep final : EvalListener {
      void on_start(const EvalStep&) override {}
      void on_item(std::size_t run, const EvalItem& item) override {
        store->append_eval_item(id, run, to_json(item));
        *stop = ++count == items;
      }
      RecordStore* store = nullptr;
      std::string id;
      std::atomic<bool>* stop = nullptr;
      std::size_t items = 0, count = 0;
    } keep;
    keep.store = &*store, keep.id = record.id(), keep.stop = &stop, keep.items = items;
    ask_all(runs, language, &language.counts, instruments, keep, &stop);
  }
  std::optional<Record> resume(std::string* why = nullptr) {
    std::string why_not;
    std::vector<TaskRun> empty = {{&task, runs[0].documents, {}}};
    runs = empty;
    auto record = resume_eval(*store, identity_json(identity, runs), runs, why_not);
    if (why != nullptr) *why = why_not;
    if (!record.has_value()) return std::nullopt;
    return std::move(record->record);
  }

  fs::path folder;
  std::optional<RecordStore> store;
  engine::ThreadPool pool;
  std::vector<EvalSubject> subjects;
  EvalIdentity identity;
  CountingTask task{9};
  std::vector<TaskRun> runs;
};

TEST_CASE("an interrupted evaluation goes on and ends as an uninterrupted one") {
  Stored whole;
  whole.run_until(0);
  Stored cut;
  const Record begun = cut.run_until(2);
  const std::optional<Record> again = cut.resume();
  REQUIRE(again.has_value());
  CHECK(again->id() == begun.id());
  CHECK(ids(cut.runs[0]) == std::vector<std::int64_t>{0, 1});
  CHECK(cut.runs[0].items[1].tokens.dropped_tokens == 4);
  CHECK(cut.runs[0].items[1].energy.total_joules == 5);
  cut.ask(*again, 0);

  const auto results = [](const Stored& stored, const std::string& id) {
    json items = Record(*stored.store->load(id)).document()["evals"][0]["items"];
    for (json& item : items) item.erase("start_unix_ns");
    return items;
  };
  const json expected = results(whole, whole.store->list().front().id);
  CHECK(expected.size() == 4);
  CHECK(results(cut, begun.id()) == expected);
  CHECK(cut.store->list().size() == 1);
}

TEST_CASE("only the unfinished evaluation of the same kind is resumed") {
  Stored stored;
  std::string why;
  CHECK(!stored.resume(&why).has_value());
  CHECK_THAT(why, Contains("no unfinished evaluation"));
  Record record = stored.run_until(1);

  stored.identity.threads = 2;
  stored.identity.type_k = "f32";
  CHECK(!stored.resume(&why).has_value());
  CHECK_THAT(why, Contains(record.id()) && Contains("threads") && Contains("type_k"));
  stored.identity.threads = 1;
  stored.identity.type_k = "";
  const auto model = stored.subjects[0].model;
  stored.subjects[0].model = engine::Model::load("synth:tiny", kernels_row(""), stored.pool,
                                                 {.head = engine::HeadType::kQ8_0});
  CHECK(!stored.resume(&why).has_value());
  CHECK_THAT(why, Contains("differs in: head"));
  stored.subjects[0].model = model;
  stored.runs = {{&stored.task, 3, {}}};
  CHECK(!stored.resume(&why).has_value());
  CHECK_THAT(why, Contains("tasks"));
  stored.runs = {{&stored.task, 4, {}}};
  CHECK(stored.resume().has_value());
  {
    const std::optional<RecordLock> alive = RecordLock::take(record.id());
    REQUIRE(alive.has_value());
    CHECK(!stored.resume(&why).has_value());
    CHECK_THAT(why, Contains(record.id()) && Contains("a process that is alive writes it"));
  }
  CHECK(stored.resume().has_value());

  put_items(record, stored.runs);
  record.finish("ok", {});
  stored.store->finish(record);
  CHECK(!stored.resume().has_value());
}

TEST_CASE("no item counts twice in the store, and items survive export and import") {
  Stored stored;
  const Record record = stored.run_until(3);
  CHECK_THROWS_WITH(
      stored.store->append_eval_item(record.id(), 0, to_json(stored.runs[0].items[1])),
      Contains("has document 1 of evals[0] already"));
  CHECK_THROWS_AS(stored.store->append_eval_item(record.id(), 0, json{{"x", 1}}), Error);
  const Record kept = *stored.store->load(record.id());
  CHECK(kept.document()["evals"][0]["items"].size() == 3);
  CHECK(stored.store->list().front().eval_items == 3);
  CHECK(stored.store->list().front().tests == "counting");

  RecordStore other(stored.folder / "other.db");
  CHECK(other.import(kept));
  CHECK(other.load(record.id())->document() == kept.document());
  Record twice = kept;
  json& items = twice.document()["evals"][0]["items"];
  items.push_back(items[0]);
  twice.document()["id"] = "01234567-89ab-7cde-8f01-23456789abcd";
  CHECK_THROWS_WITH(other.import(twice), Contains("already"));
  CHECK(other.list().size() == 1);  // nothing half written
}

TEST_CASE("the report shows scores, joules and speed, or why not") {
  const CountingTask task(9);
  EvalReport report;
  report.model = "m";
  report.subject = "ternary";
  report.limit = 4;
  report.runs = {{&task, 4, {}}};
  ScriptedModel model(echo);
  FakeInstruments instruments;
  Log log;
  ask_all(report.runs, model, &model.counts, instruments, log, nullptr);
  CHECK(eval_markdown(report) ==
        "tern (model=m, subject=ternary), limit: 4, num_fewshot: None, batch_size: 1\n\n"
        "| Tasks  |Version|Filter|n-shot|Metric|   |Value |   |Stderr|J/question|questions/s|\n"
        "|--------|------:|------|-----:|------|---|-----:|---|-----:|---------:|----------:|\n"
        "|counting|      2|none  |     3|acc   |↑  |0.7500|±  |0.2500|         5|          1|\n\n"
        "counting: the prompts of 1 of 4 questions were longer than the context; 4 tokens were cut "
        "from their left, as lm_eval does\n");

  for (EvalItem& item : report.runs[0].items) {
    item.energy.window_s = 2;
    item.energy.meter_cpu_s = 0.003;
  }
  CHECK_THAT(eval_markdown(report),
             Contains("counting: meter: its own work took 0.15 % of one processor\n"));

  report.runs[0].items[2].energy = {};
  report.runs[0].items[2].energy.why = "asleep";
  CHECK_THAT(eval_markdown(report),
             Contains("J/question is over 3 of 4 questions") && Contains("asleep"));
  for (EvalItem& item : report.runs[0].items) item.energy.status = energy::Status::kNotMeasured;
  CHECK_THAT(eval_markdown(report),
             Contains("|       n/m|") && Contains("J/question not measured"));

  const json document = json::parse(eval_json(report, Samples::kAll));
  CHECK(document["results"]["counting"]["acc,none"] == 0.75);
  CHECK(document["results"]["counting"]["acc_stderr,none"] == 0.25);
  CHECK(document["tern"]["tasks"]["counting"]["joules_per_question"].is_null());
  CHECK(document["tern"]["tasks"]["counting"]["questions_per_s"] == 1.0);
  CHECK(document["n-samples"]["counting"] == json{{"original", 9}, {"effective", 4}});
  REQUIRE(document["samples"]["counting"].size() == 4);
  const json& sample = document["samples"]["counting"][2];
  CHECK(sample["filtered_resps"] == json{"wrong"});
  CHECK(sample["acc"] == 0.0);
  CHECK(sample["arguments"]["gen_args_0"]["arg_0"] == "2");
  CHECK(sample["joules"].is_null());

  report.runs[0].items.clear();
  const json none = json::parse(eval_json(report, Samples::kNone));
  CHECK(none["results"]["counting"]["acc,none"] == "N/A");  // no answers are no score
}

}  // namespace
}  // namespace tern::harness
