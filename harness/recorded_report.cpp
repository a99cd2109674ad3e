#include "harness/recorded_report.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "harness/idle.h"
#include "harness/phases.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// Records come from elsewhere too: a field may be absent or of another type.
std::string text_at(const json& object, const char* key) {
  const auto field = object.is_object() ? object.find(key) : object.end();
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

template <class T>
T number_at(const json& object, const char* key) {
  const auto field = object.is_object() ? object.find(key) : object.end();
  return field != object.end() && field->is_number() ? field->get<T>() : T{};
}

// Takes "PREFIX<number>" off the front of `text`.
bool take(std::string_view& text, std::string_view prefix, int& value) {
  if (!text.starts_with(prefix)) return false;
  const char* begin = text.data() + prefix.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

RunFacts recorded_run_facts(const Record& record) {
  const json& document = record.document();
  const json& protocol = document.at("protocol");
  RunFacts run;
  run.record_id = record.id();
  run.build_commit = text_at(document.at("tern"), "commit");
  run.kernels = text_at(document.at("tern"), "kernels");
  run.cpu = text_at(document.at("machine").value("cpu", json::object()), "name");
  run.threads = number_at<int>(protocol, "threads");
  run.batch = number_at<int>(protocol, "n_batch");
  run.ubatch = number_at<int>(protocol, "n_ubatch");
  run.poll = number_at<int>(protocol, "poll");
  run.type_k = text_at(protocol, "type_k");
  run.type_v = text_at(protocol, "type_v");
  run.fitness = recorded_fitness(record);
  if (document.contains("limits")) {
    const json& limits = document["limits"];
    run.limits = limits_from_json(limits);
    if (limits.is_object() && limits.contains("by_threads") && limits["by_threads"].is_array()) {
      for (const json& some : limits["by_threads"]) {
        run.limits_by_threads.push_back(limits_from_json(some));
      }
    }
  }
  run.idle = recorded_idle(record);
  run.meter_cost = recorded_meter_cost(record);
  run.meter_assumptions = recorded_assumptions(record);
  return run;
}

std::vector<SubjectFacts> subject_facts(const Record& record) {
  std::vector<SubjectFacts> subjects;
  for (const json& part : record.document().at("subjects")) {
    SubjectFacts subject;
    subject.name = text_at(part, "name");
    subject.model = text_at(part, "model");
    subject.description = text_at(part, "description");
    subject.bytes = number_at<std::int64_t>(part, "bytes");
    subject.parameters = number_at<std::int64_t>(part, "parameters");
    const std::string container = text_at(part, "container");
    subject.mapped = !container.empty() && container != "synthetic";
    if (part.contains("ternary_layout")) {
      subject.ternary_bits = number_at<double>(part["ternary_layout"], "bits");
      subject.why_ternary_bits = text_at(part["ternary_layout"], "why");
    }
    subject.greedy_head = part.value("greedy_head", json()) == json(true);
    if (part.contains("skip_zeros")) {
      subject.skip_zeros = true;
      subject.up_rows_read = number_at<double>(part["skip_zeros"], "up_rows_read");
      subject.down_columns_read = number_at<double>(part["skip_zeros"], "down_columns_read");
    }
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

std::optional<TestCase> parse_test_name(const std::string& name) {
  std::string_view rest = name;
  TestCase test;
  if (take(rest, "pp", test.prompt)) {
    take(rest, "+tg", test.gen);
  } else if (!take(rest, "tg", test.gen)) {
    return std::nullopt;
  }
  take(rest, " x", test.sequences);
  take(rest, " @ d", test.depth);
  // "pp007" and what else would not come back the same is another program's name.
  if (!rest.empty() || test.name() != name) return std::nullopt;
  return test;
}

BenchReport recorded_report(const Record& record) {
  BenchReport report;
  std::vector<std::string> names;
  std::vector<TestCase> tests;
  std::vector<Trial> trials;
  for (Trial& trial : record.trials()) {
    if (trial.command.has_value()) continue;  // has no tokens, and a report of its own
    // Without time or tokens there is no speed to derive.
    if (trial.elapsed_ns <= 0 || trial.tokens <= 0) {
      report.notes.push_back("trial " + std::to_string(trial.order_index) +
                             " is left out of the figures: it has no time or no tokens");
      continue;
    }
    if (std::find(names.begin(), names.end(), trial.test) == names.end()) {
      names.push_back(trial.test);
      if (const auto test = parse_test_name(trial.test)) {
        tests.push_back(*test);
      } else {
        report.notes.push_back("no figures are derived for the test \"" + trial.test +
                               "\": its name does not say what was run");
      }
    }
    trials.push_back(std::move(trial));
  }
  RunFacts run = recorded_run_facts(record);
  const std::vector<SubjectFacts> subjects = subject_facts(record);
  if (subjects.size() < 2) run.no_ratio = "the run has one subject and nothing to compare it with";
  add_trials(report, run, subjects, tests, trials);
  add_phases(report, run.record_id, recorded_phases(record));
  return report;
}

}  // namespace tern::harness
