#include "harness/report/eval_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "harness/report/energy_figures.h"
#include "harness/report/eval_pairs_report.h"

namespace tern::harness {

namespace {

struct Column {
  const char* name;
  char align;  // of the cells; headers are centred
};
constexpr std::array kColumns = {
    Column{"Tasks", '<'},      Column{"Version", '>'},    Column{"Filter", '<'},
    Column{"n-shot", '>'},     Column{"Metric", '<'},     Column{"", '<'},
    Column{"Value", '>'},      Column{"", '<'},           Column{"Stderr", '>'},
    Column{"J/question", '>'}, Column{"questions/s", '>'}};
using Row = std::array<std::string, kColumns.size()>;

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string pad(const std::string& text, std::size_t width, char align) {
  const std::size_t size = code_points(text);
  const std::size_t room = width > size ? width - size : 0;
  const std::size_t before = align == '>' ? room : align == '^' ? room / 2 : 0;
  return std::string(before, ' ') + text + std::string(room - before, ' ');
}

std::string table(const std::vector<Row>& rows) {
  std::array<std::size_t, kColumns.size()> widths{};
  for (std::size_t c = 0; c < kColumns.size(); ++c) {
    widths[c] = std::max<std::size_t>(code_points(kColumns[c].name), 3);
    for (const Row& row : rows) widths[c] = std::max(widths[c], code_points(row[c]));
  }
  std::string head = "|";
  std::string rule = "|";
  std::string body;
  for (std::size_t c = 0; c < kColumns.size(); ++c) {
    head += pad(kColumns[c].name, widths[c], '^') + "|";
    rule += std::string(widths[c] - 1, '-') + (kColumns[c].align == '>' ? ":|" : "-|");
  }
  for (const Row& row : rows) {
    body += "|";
    for (std::size_t c = 0; c < kColumns.size(); ++c) {
      body += pad(row[c], widths[c], kColumns[c].align) + "|";
    }
    body += "\n";
  }
  return head + "\n" + rule + "\n" + body;
}

std::vector<evals::Score> sorted_scores(const TaskRun& run) {
  std::vector<evals::ItemResult> results;
  for (const EvalItem& item : run.items) results.push_back(item.result);
  std::vector<evals::Score> scores = evals::aggregate(run.task->info(), results);
  std::sort(scores.begin(), scores.end(), [](const evals::Score& a, const evals::Score& b) {
    return a.metric + "," + a.filter < b.metric + "," + b.filter;
  });
  return scores;
}

std::string joules_text(const EvalCosts& cost) {
  if (cost.metered == 0) return "n/m";
  return fmt::format("{:.4g}", cost.joules / static_cast<double>(cost.metered));
}

std::string rate_text(const EvalCosts& cost) {
  if (cost.timed == 0 || cost.seconds <= 0) return "n/m";
  return fmt::format("{:.4g}", static_cast<double>(cost.timed) / cost.seconds);
}

std::vector<Row> rows_of(const TaskRun& run) {
  std::vector<Row> rows;
  const EvalCosts cost = costs(run);
  for (const evals::Score& score : sorted_scores(run)) {
    const bool first = rows.empty();
    const std::string error = score.value.standard_error.has_value()
                                  ? fmt::format("{:.4f}", *score.value.standard_error)
                                  : "   N/A";
    rows.push_back({first ? std::string(run.task->info().name) : "",
                    first ? std::to_string(run.task->info().version) : "", score.filter,
                    std::to_string(run.task->num_fewshot()), score.metric,
                    score.higher_is_better ? "↑" : "↓", fmt::format("{:.4f}", score.value.mean),
                    "±", error, first ? joules_text(cost) : "", first ? rate_text(cost) : ""});
  }
  return rows;
}

// Groups of which all tasks were asked; they cost what their tasks did.
std::vector<Row> group_rows(const std::vector<const TaskRun*>& runs) {
  std::vector<evals::TaskScores> tasks;
  for (const TaskRun* run : runs) {
    if (!run->items.empty())
      tasks.push_back({std::string(run->task->info().name), sorted_scores(*run)});
  }
  std::vector<Row> rows;
  for (const evals::GroupScores& group : evals::complete_groups(tasks)) {
    for (const evals::Score& score : group.scores) {
      const bool first = &score == &group.scores.front();
      const std::string error = score.value.standard_error.has_value()
                                    ? fmt::format("{:.4f}", *score.value.standard_error)
                                    : "   N/A";
      rows.push_back({first ? group.group->name : "",
                      first ? std::to_string(group.group->version) : "", score.filter, "",
                      score.metric, score.higher_is_better ? "↑" : "↓",
                      fmt::format("{:.4f}", score.value.mean), "±", error, "", ""});
    }
  }
  return rows;
}

// Why J/question is n/m, once where all tasks have the same reason.
std::string energy_notes(const std::vector<const TaskRun*>& runs) {
  std::vector<std::pair<std::string, std::string>> notes;  // reason, tasks
  for (const TaskRun* run : runs) {
    const EvalCosts cost = costs(*run);
    if (cost.metered > 0 || run->items.empty()) continue;
    const std::string name(run->task->info().name);
    const auto same = std::find_if(notes.begin(), notes.end(),
                                   [&](const auto& note) { return note.first == cost.why; });
    if (same == notes.end()) {
      notes.emplace_back(cost.why, name);
    } else {
      same->second += ", " + name;
    }
  }
  std::string text;
  for (const auto& [why, names] : notes) {
    text += fmt::format("{}: J/question not measured (n/m): {}\n", names, why);
  }
  return text;
}

// What the table leaves out of a task, in sentences.
void add_notes(const TaskRun& run, std::string& text) {
  const EvalCosts cost = costs(run);
  const std::string_view name = run.task->info().name;
  const std::size_t n = run.items.size();
  if (cost.metered > 0 && cost.metered < static_cast<std::int64_t>(n)) {
    text += fmt::format("{}: J/question is over {} of {} questions; the others: {}\n", name,
                        cost.metered, n, cost.why);
  }
  if (cost.meter_share)
    text += fmt::format("{}: {}\n", name, meter_share_text({*cost.meter_share}));
  if (cost.company > 1) {
    text += fmt::format(
        "{}: up to {} questions were asked at once; seconds and joules of one of them are its "
        "share, by tokens evaluated, of what was measured for all\n",
        name, cost.company);
  }
  if (cost.truncated_items > 0) {
    text += fmt::format(
        "{}: the prompts of {} of {} questions were longer than the context; {} tokens were cut "
        "from their left, as lm_eval does\n",
        name, cost.truncated_items, n, cost.tokens.dropped_tokens);
  }
  if (!run.shard.whole()) {
    text += fmt::format("{}: shard {} of {} questions\n", name, text_of(run.shard), run.documents);
  }
  if (!run.complete()) {
    text += fmt::format("{}: {} of {} questions were answered\n", name, n, run.asked());
  }
}

template <class T>
std::string text_or_none(const std::optional<T>& value) {
  return value.has_value() ? fmt::format("{}", *value) : "None";
}

}  // namespace

EvalCosts costs(const TaskRun& run) {
  EvalCosts cost;
  double meter_cpu_s = 0, window_s = 0;
  for (const EvalItem& item : run.items) {
    if (item.elapsed_ns > 0) {
      cost.seconds += static_cast<double>(item.elapsed_ns) * 1e-9;
      ++cost.timed;
    }
    if (item.energy.status != energy::Status::kNotMeasured) {
      cost.joules += item.energy.total_joules;
      ++cost.metered;
      if (item.energy.meter_cpu_s) {
        meter_cpu_s += *item.energy.meter_cpu_s;
        window_s += item.energy.window_s;
      }
    } else if (cost.why.empty()) {
      cost.why = item.energy.why;
    }
    cost.tokens.evaluated_tokens += item.tokens.evaluated_tokens;
    cost.tokens.reused_tokens += item.tokens.reused_tokens;
    cost.tokens.truncated_prompts += item.tokens.truncated_prompts;
    cost.tokens.dropped_tokens += item.tokens.dropped_tokens;
    if (item.tokens.dropped_tokens > 0) ++cost.truncated_items;
    cost.company = std::max(cost.company, item.company);
  }
  if (window_s > 0) cost.meter_share = meter_cpu_s / window_s;
  return cost;
}

std::vector<std::string> EvalReport::subjects() const {
  std::vector<std::string> names = {subject};
  for (const Baseline& baseline : baselines) names.push_back(baseline.name);
  return names;
}

namespace {

std::string head_line(const EvalReport& report, std::size_t subject) {
  const std::string who =
      report.model.empty()
          ? fmt::format("responses ({})", report.answers)
          : fmt::format("tern (model={}, subject={})",
                        subject == 0 ? report.model : report.baselines.at(subject - 1).model,
                        report.subjects().at(subject));
  return fmt::format("{}, limit: {}, num_fewshot: {}, batch_size: {}\n\n", who,
                     text_or_none(report.limit), text_or_none(report.num_fewshot), report.batch);
}

std::string subject_part(const EvalReport& report, std::size_t subject) {
  std::vector<const TaskRun*> runs;
  for (const TaskRun& run : report.runs) {
    if (run.subject == subject) runs.push_back(&run);
  }
  std::string text = head_line(report, subject);
  std::vector<Row> rows;
  std::string notes = energy_notes(runs);
  for (const TaskRun* run : runs) {
    if (run->items.empty()) {
      notes += fmt::format("{}: no question was answered\n", run->task->info().name);
      continue;
    }
    for (Row& row : rows_of(*run)) rows.push_back(std::move(row));
    add_notes(*run, notes);
  }
  if (!rows.empty()) text += table(rows);
  if (const std::vector<Row> groups = group_rows(runs); !groups.empty()) {
    text += "\n" + table(groups);
  }
  return notes.empty() ? text : text + "\n" + notes;
}

}  // namespace

std::string eval_markdown(const EvalReport& report) {
  std::string text;
  for (std::size_t subject = 0; subject <= report.baselines.size(); ++subject) {
    text += (subject > 0 ? "\n" : "") + subject_part(report, subject);
  }
  const std::string pairs = pairs_markdown(report);
  if (!pairs.empty()) text += "\n" + pairs;
  std::string reasons;
  for (const std::string& reason : report.reasons) reasons += reason + "\n";
  if (reasons.empty()) return text;
  // The last notes and the reasons are one paragraph.
  return text + (report.baselines.empty() && !text.ends_with("|\n") ? "" : "\n") + reasons;
}

}  // namespace tern::harness
