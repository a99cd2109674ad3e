#include "harness/record_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>
#include <utility>

#include "harness/error.h"
#include "harness/kernel_benchmarks.h"
#include "harness/meter_cost.h"
#include "harness/recorded_report.h"
#include "harness/recorded_scores.h"
#include "harness/report/measure_report.h"
#include "harness/report/phase_table.h"
#include "harness/report/roofline_table.h"
#include "harness/report/subject_notes.h"
#include "harness/statistics.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// RFC 4180
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

// The status for people: a record that still says running lost its process, or has not finished
// yet.
std::string status_text(const std::string& status) {
  return status == "running" ? "running (unfinished)" : status;
}

std::string field(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "unknown";
}

// The trials of one test by one subject.
struct Group {
  std::string test, subject;
  std::vector<double> tokens_per_s;
  std::vector<double> joules_per_token;
};

std::vector<Group> group(const std::vector<Trial>& trials, std::vector<std::string>& reasons) {
  std::vector<Group> groups;
  for (const Trial& trial : trials) {
    if (trial.command.has_value()) continue;  // reported apart
    auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
      return g.test == trial.test && g.subject == trial.subject;
    });
    if (found == groups.end()) {
      found = groups.insert(groups.end(), {trial.test, trial.subject, {}, {}});
    }
    const auto tokens = static_cast<double>(trial.tokens);
    if (trial.elapsed_ns > 0) {
      found->tokens_per_s.push_back(tokens * 1e9 / static_cast<double>(trial.elapsed_ns));
    }
    if (trial.energy.status != energy::Status::kNotMeasured && trial.tokens > 0) {
      found->joules_per_token.push_back(trial.energy.total_joules / tokens);
    } else if (std::find(reasons.begin(), reasons.end(), trial.energy.why) == reasons.end()) {
      reasons.push_back(trial.energy.why);
    }
  }
  return groups;
}

std::string mean_and_spread(std::span<const double> values, int decimals) {
  if (values.empty()) return "n/m";
  const Summary summary = summarize(values);
  return fmt::format("{:.{}f} ± {:.{}f}", summary.mean, decimals, summary.stddev, decimals);
}

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// A cell may not end its row.
std::string cell(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\r') text[i] = ' ';
    if (text[i] == '|') text.insert(i++, 1, '\\');
  }
  return text;
}

std::string head(const Record& record) {
  const json& document = record.document();
  const json& build = document.at("tern");
  const json& machine = document.at("machine");
  const std::string cpu = machine.contains("cpu") && machine["cpu"].is_object()
                              ? field(machine["cpu"], "name")
                              : "unknown";
  std::string text =
      fmt::format("record   {}\ncreated  {}\nstatus   {}\n", record.id(),
                  field(document, "created"), status_text(field(document, "status")));
  for (const json& reason : document.at("reasons")) {
    if (reason.is_string()) text += "         " + reason.get<std::string>() + "\n";
  }
  return text + fmt::format("tern     {} ({}), {}, kernels {}\nmachine  {}\n",
                            field(build, "version"), field(build, "commit"),
                            field(build, "compiler"), field(build, "kernels"), cpu);
}

// Scores of the evaluations, and from what each item says of itself its time and energy.
std::vector<std::vector<std::string>> score_rows(const Record& record,
                                                 std::vector<std::string>& reasons) {
  std::vector<std::vector<std::string>> rows;
  const json& evals = record.document().at("evals");
  const json recorded = recorded_scores(record);
  for (std::size_t e = 0; e < evals.size(); ++e) {
    const json& eval = evals[e];
    if (!eval.contains("items") || !eval["items"].is_array()) continue;
    std::vector<double> seconds, joules;
    for (const json& item : eval["items"]) {
      seconds.push_back(item.at("elapsed_ns").get<double>() * 1e-9);
      const energy::EnergyDelta energy = energy_from_json(item.at("energy"));
      if (energy.status != energy::Status::kNotMeasured) {
        joules.push_back(energy.total_joules);
      } else if (std::find(reasons.begin(), reasons.end(), energy.why) == reasons.end()) {
        reasons.push_back(energy.why);
      }
    }
    for (const json& score : recorded[e].at("scores")) {
      rows.push_back({field(eval, "task"), field(eval, "subject"),
                      field(score, "metric") + "," + field(score, "filter"),
                      score.at("items").dump(),
                      fmt::format("{:.4f}", score.at("value").get<double>()),
                      mean_and_spread(seconds, 3), mean_and_spread(joules, 3)});
    }
  }
  return rows;
}

}  // namespace

std::string markdown_table(const std::vector<std::string>& header,
                           const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> cells = {header};
  for (const auto& row : rows) {
    cells.emplace_back();
    for (const std::string& text : row) cells.back().push_back(cell(text));
  }
  std::vector<std::size_t> widths(header.size(), 3);
  for (const auto& row : cells) {
    for (std::size_t c = 0; c < widths.size(); ++c) {
      widths[c] = std::max(widths[c], code_points(row[c]));
    }
  }
  std::string text;
  for (std::size_t r = 0; r < cells.size(); ++r) {
    for (std::size_t c = 0; c < widths.size(); ++c) {
      text += (c == 0 ? "| " : " | ") + cells[r][c];
      // The last column is not padded further than it must: reasons are long.
      if (c + 1 < widths.size()) text.append(widths[c] - code_points(cells[r][c]), ' ');
    }
    text += " |\n";
    if (r > 0) continue;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      text += (c == 0 ? "| " : " | ");
      text += std::string(c + 1 < widths.size() ? widths[c] : 3, '-');
    }
    text += " |\n";
  }
  return text;
}

std::string list_markdown(const std::vector<RecordSummary>& summaries) {
  if (summaries.empty()) return "no records yet\n";
  std::vector<std::vector<std::string>> rows;
  for (const RecordSummary& s : summaries) {
    rows.push_back({s.id, s.created, status_text(s.status), std::to_string(s.trials), s.models,
                    s.tests, s.machine});
  }
  return markdown_table({"id", "created", "status", "trials", "models", "tests", "machine"}, rows);
}

std::string list_csv(const std::vector<RecordSummary>& summaries) {
  std::string text = "id,created,status,trials,models,tests,machine\n";
  for (const RecordSummary& s : summaries) {
    text += fmt::format("{},{},{},{},{},{},{}\n", s.id, csv_field(s.created), csv_field(s.status),
                        s.trials, csv_field(s.models), csv_field(s.tests), csv_field(s.machine));
  }
  return text;
}

std::string record_markdown(const Record& record) try {
  std::vector<std::string> reasons;
  std::vector<std::vector<std::string>> rows;
  for (const Group& g : group(record.trials(), reasons)) {
    rows.push_back({g.test, g.subject, std::to_string(g.tokens_per_s.size()),
                    mean_and_spread(g.tokens_per_s, 2), mean_and_spread(g.joules_per_token, 4)});
  }
  std::string text = head(record);
  const auto scores = score_rows(record, reasons);
  const std::string kernels = kernel_benchmarks_markdown(record);
  if (!kernels.empty()) text += "\n" + kernels;
  if (has_commands(record)) return text + "\n" + measure_markdown(record);
  if (rows.empty() && scores.empty()) return kernels.empty() ? text + "\nno trials\n" : text;
  if (!rows.empty()) {
    text += "\n" + markdown_table({"test", "subject", "trials", "t/s", "J/token"}, rows);
  }
  if (!scores.empty()) {
    text += "\n" + markdown_table({"task", "subject", "metric", "questions", "score", "s/question",
                                   "J/question"},
                                  scores);
  }
  std::ostringstream derived;
  const BenchReport report = recorded_report(record);
  write_roofline(report.rows, derived);
  write_phases(report.rows, derived);
  text += derived.str();
  std::string notes;
  for (const SubjectFacts& subject : subject_facts(record)) {
    for (const std::string& note : subject_notes(subject)) notes += note + "\n";
  }
  if (const auto cost = recorded_meter_cost(record)) {
    for (const std::string& note : meter_cost_notes(*cost)) notes += note + "\n";
  }
  if (!notes.empty()) text += "\n" + notes;
  for (const std::string& reason : reasons) text += "\nenergy not measured: " + reason + "\n";
  return text;
} catch (const json::exception& error) {
  throw Error(fmt::format("record {}: a part of it cannot be read: {}", record.id(), error.what()));
}

}  // namespace tern::harness
