#include "harness/report/measure_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "harness/report/doctor_text.h"
#include "harness/report/energy_figures.h"
#include "harness/report/table.h"
#include "harness/statistics.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr double kMib = 1024.0 * 1024.0;
constexpr const char* kNotMeasured = "n/m";
constexpr const char* kEnergy = "energy, J";
constexpr const char* kDynamic = "dynamic energy, J";

double seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

bool has_energy(const Trial& trial) { return trial.energy.status != energy::Status::kNotMeasured; }

// Standard uncertainty of the idle power: of the mean of the blocks in which it was measured; 0
// with fewer than two, where it is not known.
double idle_uncertainty_w(const Record& record) {
  const json& protocol = record.document().at("protocol");
  const json idle = protocol.value("idle", json::object());
  std::vector<double> watts;
  for (const json& block : idle.value("blocks", json::array())) {
    const energy::EnergyDelta energy = energy_from_json(block);
    if (energy.window_s > 0) watts.push_back(energy.total_joules / energy.window_s);
  }
  if (watts.size() < 2) return 0;
  return summarize(watts).stddev / std::sqrt(static_cast<double>(watts.size()));
}

// What the repetition took beyond the idle machine; nothing where it does not stand out by three
// standard deviations.
std::optional<double> dynamic_joules(const Trial& trial, double idle_u_w) {
  if (!has_energy(trial) || !trial.energy.idle_w.has_value()) return std::nullopt;
  const double window_s = trial.energy.window_s;
  const double joules = trial.energy.total_joules - *trial.energy.idle_w * window_s;
  if (joules <= 0 || joules < 3 * idle_u_w * window_s) return std::nullopt;
  return joules;
}

std::vector<Trial> repetitions(const Record& record) {
  std::vector<Trial> trials = record.trials();
  std::erase_if(trials, [](const Trial& trial) { return !trial.command.has_value(); });
  return trials;
}

// A failed repetition is no sample of what the command costs, unless there is nothing else to show.
std::vector<Trial> samples(std::vector<Trial> trials) {
  const auto failed = [](const Trial& trial) { return !trial.command->why.empty(); };
  if (!std::all_of(trials.begin(), trials.end(), failed)) std::erase_if(trials, failed);
  return trials;
}

class Figures {
 public:
  void add(const std::string& name, double value) { find(name).values.push_back(value); }
  // Listed even where no repetition had it.
  void declare(const std::string& name) { find(name); }
  std::vector<MeasuredFigure> take() { return std::move(figures_); }

 private:
  MeasuredFigure& find(const std::string& name) {
    const auto found = std::find_if(figures_.begin(), figures_.end(),
                                    [&](const MeasuredFigure& f) { return f.name == name; });
    if (found != figures_.end()) return *found;
    figures_.push_back({name, {}});
    return figures_.back();
  }
  std::vector<MeasuredFigure> figures_;
};

void add_time(const Trial& trial, Figures& figures) {
  figures.add("wall time, s", seconds(trial.elapsed_ns));
  figures.add("user CPU time, s", seconds(trial.command->user_ns));
  figures.add("system CPU time, s", seconds(trial.command->system_ns));
  if (trial.command->peak_rss_bytes > 0) {
    figures.add("peak memory, MiB", static_cast<double>(trial.command->peak_rss_bytes) / kMib);
  }
}

std::string domain_name(const energy::DomainEnergy& domain) {
  return domain.name + (domain.included ? ", J" : " (not in the total), J");
}

void add_energy(const Trial& trial, double idle_u_w, Figures& figures) {
  if (!has_energy(trial)) return;
  figures.add(kEnergy, trial.energy.total_joules);
  if (trial.energy.idle_w.has_value()) figures.declare(kDynamic);
  if (const auto joules = dynamic_joules(trial, idle_u_w)) figures.add(kDynamic, *joules);
  if (trial.energy.window_s > 0) {
    figures.add("mean power, W", trial.energy.total_joules / trial.energy.window_s);
  }
  for (const energy::DomainEnergy& domain : trial.energy.domains) {
    if (domain.measured) figures.add(domain_name(domain), domain.joules);
  }
}

void add_counters(const Trial& trial, Figures& figures) {
  std::map<std::string, double> values;
  for (const energy::CounterValue& counter : trial.counters) {
    if (!counter.measured) continue;
    figures.add(counter.name, counter.value);
    values[counter.name] = counter.value;
  }
  if (values.contains("cycles") && values.contains("instructions") && values["cycles"] > 0) {
    figures.add("instructions per cycle", values["instructions"] / values["cycles"]);
  }
}

std::string number(double value) {
  if (std::abs(value) >= 1e6) return fmt::format("{:.0f}", value);
  return fmt::format("{:.6g}", value);
}

std::vector<std::string> row(const MeasuredFigure& figure) {
  const std::string n = fmt::format("{}", figure.values.size());
  if (figure.values.empty()) return {figure.name, kNotMeasured, "", "", n};
  const Summary summary = summarize(figure.values);
  if (summary.n < 2) return {figure.name, number(summary.mean), kNotMeasured, kNotMeasured, n};
  const double half = half_interval(figure.values);
  return {figure.name, number(summary.mean), fmt::format("{:.3g}", summary.stddev),
          number(summary.mean - half) + " to " + number(summary.mean + half), n};
}

void add_once(std::vector<std::string>& lines, std::string line) {
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(std::move(line));
}

void note_energy(const Trial& trial, std::vector<std::string>& notes) {
  const energy::EnergyDelta& energy = trial.energy;
  if (energy.status == energy::Status::kNotMeasured) {
    add_once(notes, "energy: not measured: " + energy.why);
  } else if (energy.status == energy::Status::kAttributed) {
    add_once(notes, fmt::format("energy: attributed by {} inside a virtual machine, not measured "
                                "({})",
                                energy.source, energy.coverage));
  } else {
    add_once(notes, fmt::format("energy: measured by {} ({})", energy.source, energy.coverage));
  }
  for (const energy::DomainEnergy& domain : energy.domains) {
    if (domain.why.empty()) continue;
    add_once(notes, fmt::format("{}: {}: {}", domain.included ? "energy" : "not in the total",
                                domain.name, domain.why));
  }
}

// Uncertainties of the meter, on average over the repetitions that it measured.
void note_uncertainty(const std::vector<Trial>& trials, std::vector<std::string>& notes) {
  std::vector<double> absolute, comparative;
  for (const Trial& trial : trials) {
    if (trial.energy.status != energy::Status::kMeasured) continue;
    if (!trial.energy.u_abs_j || !trial.energy.u_cmp_j) return;
    absolute.push_back(*trial.energy.u_abs_j);
    comparative.push_back(*trial.energy.u_cmp_j);
  }
  if (absolute.empty()) return;
  notes.push_back(fmt::format(
      "energy: one standard uncertainty of the meter is {:.2g} J with the gain of its sensor, and "
      "{:.2g} J without, to hold against another command on this machine",
      summarize(absolute).mean, summarize(comparative).mean));
}

// Counters that share a reason share a line.
void note_counters(const Trial& trial, std::vector<std::string>& notes) {
  std::vector<std::pair<std::string, std::string>> reasons;  // reason, names
  for (const energy::CounterValue& counter : trial.counters) {
    if (counter.measured && counter.running_share < 1) {
      add_once(notes, fmt::format("{}: extrapolated from the {:.0f} % of the time in which it was "
                                  "counted",
                                  counter.name, 100 * counter.running_share));
    }
    if (counter.measured) continue;
    const auto same = std::find_if(reasons.begin(), reasons.end(),
                                   [&](const auto& known) { return known.first == counter.why; });
    if (same != reasons.end()) {
      same->second += ", " + counter.name;
    } else {
      reasons.emplace_back(counter.why, counter.name);
    }
  }
  for (const auto& [why, names] : reasons) {
    add_once(notes, fmt::format("{}: not measured: {}", names, why));
  }
}

void note_idle(const Record& record, const std::vector<Trial>& trials,
               std::vector<std::string>& notes) {
  const json& protocol = record.document().at("protocol");
  if (!protocol.contains("idle") || !protocol["idle"].is_object()) return;
  const json& idle = protocol["idle"];
  if (idle.contains("why")) {
    const std::string why = idle.value("why", "");
    const bool said = std::any_of(trials.begin(), trials.end(), [&](const Trial& trial) {
      return !has_energy(trial) && trial.energy.why == why;
    });
    // The reason is a line already.
    notes.push_back("dynamic energy: not measured" + (said ? ", nor was idle power" : ": " + why));
    return;
  }
  const double idle_u_w = idle_uncertainty_w(record);
  for (const Trial& trial : trials) {
    if (!has_energy(trial) || !trial.energy.idle_w.has_value()) continue;
    add_once(notes, fmt::format("idle power: {:.4g} W over {:.4g} s before the command; dynamic "
                                "energy is the total without it",
                                *trial.energy.idle_w, idle.value("seconds", 0.0)));
    if (!dynamic_joules(trial, idle_u_w).has_value()) {
      add_once(notes,
               "dynamic energy: below resolution: what the command adds does not stand out from "
               "the idle machine");
    }
  }
}

std::string head(const Record& record, const std::vector<Trial>& trials) {
  const auto good = std::count_if(trials.begin(), trials.end(),
                                  [](const Trial& trial) { return trial.command->why.empty(); });
  const json& protocol = record.document().at("protocol");
  return fmt::format("{}: {} of {} repetitions succeeded, exit code {}\n", trials.front().test,
                     good, protocol.value("repetitions", static_cast<int>(trials.size())),
                     trials.back().command->exit_code);
}

std::vector<std::string> notes_of(const Record& record, const std::vector<Trial>& trials) {
  std::vector<std::string> notes;
  for (const Trial& trial : trials) {
    note_energy(trial, notes);
    if (!trial.command->why_no_peak.empty()) {
      add_once(notes, "peak memory: not measured: " + trial.command->why_no_peak);
    }
    note_counters(trial, notes);
  }
  std::vector<double> meter_shares;
  for (const Trial& trial : trials) {
    if (!has_energy(trial) || !trial.energy.meter_cpu_s || trial.energy.window_s <= 0) continue;
    meter_shares.push_back(*trial.energy.meter_cpu_s / trial.energy.window_s);
  }
  if (!meter_shares.empty()) notes.push_back(meter_share_text(meter_shares));
  note_uncertainty(trials, notes);
  note_idle(record, trials, notes);
  notes.push_back(
      "CPU time is of the command and of those of its children that were waited for; peak memory "
      "is that of the largest single process among them");
  return notes;
}

// The rows that are as ours are: a record may be anybody's.
json remedies_of(const Record& record) {
  json rows = json::array();
  const json& document = record.document();
  const auto kept = document.find("environment");
  if (kept == document.end() || !kept->is_object() || !kept->contains("remedies")) return rows;
  for (const json& row : (*kept)["remedies"]) {
    const auto is_text = [&](const char* key) {
      return row.is_object() && row.contains(key) && row[key].is_string();
    };
    if (!is_text("name") || !is_text("remedy")) continue;
    rows.push_back({{"name", row["name"]}, {"usable", false}, {"remedy", row["remedy"]}});
  }
  return rows;
}

std::string csv_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string csv_number(std::optional<double> value) {
  return value.has_value() ? fmt::format("{}", *value) : "";
}

// Domains and counters of all repetitions, in the order they first appear.
struct CsvColumns {
  std::vector<std::string> domains, counters;
};

CsvColumns columns_of(const std::vector<Trial>& trials) {
  CsvColumns columns;
  for (const Trial& trial : trials) {
    for (const energy::DomainEnergy& domain : trial.energy.domains) {
      add_once(columns.domains, domain.name);
    }
    for (const energy::CounterValue& counter : trial.counters) {
      add_once(columns.counters, counter.name);
    }
  }
  return columns;
}

std::string csv_row(const Trial& trial, const CsvColumns& columns, double idle_u_w) {
  const CommandUsage& usage = *trial.command;
  const bool energy = has_energy(trial);
  std::optional<double> peak, joules, watts;
  if (usage.peak_rss_bytes > 0) peak = static_cast<double>(usage.peak_rss_bytes);
  if (energy) joules = trial.energy.total_joules;
  if (energy && trial.energy.window_s > 0) watts = *joules / trial.energy.window_s;
  std::string text = fmt::format(
      "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}", trial.order_index, csv_text(trial.test),
      usage.exit_code, csv_text(usage.why), seconds(trial.elapsed_ns), seconds(usage.user_ns),
      seconds(usage.system_ns), csv_number(peak), energy::name(trial.energy.status),
      csv_number(joules), csv_number(dynamic_joules(trial, idle_u_w)),
      csv_number(energy ? trial.energy.idle_w : std::nullopt), csv_number(watts),
      csv_text(trial.energy.source), csv_text(trial.energy.coverage), csv_text(trial.energy.why));
  for (const std::string& name : columns.domains) {
    std::optional<double> value;
    for (const energy::DomainEnergy& domain : trial.energy.domains) {
      if (domain.name == name && domain.measured) value = domain.joules;
    }
    text += "," + csv_number(value);
  }
  for (const std::string& name : columns.counters) {
    std::optional<double> value, share;
    for (const energy::CounterValue& counter : trial.counters) {
      if (counter.name != name || !counter.measured) continue;
      value = counter.value;
      share = counter.running_share;
    }
    text += "," + csv_number(value) + "," + csv_number(share);
  }
  return text + "\n";
}

}  // namespace

double half_interval(const std::vector<double>& values) {
  const Summary summary = summarize(values);
  return student_t_quantile(0.975, summary.n - 1) * summary.stddev / std::sqrt(summary.n);
}

std::vector<MeasuredFigure> measured_figures(const Record& record) {
  const std::vector<Trial> trials = samples(repetitions(record));
  Figures figures;
  for (const Trial& trial : trials) add_time(trial, figures);
  const double idle_u_w = idle_uncertainty_w(record);
  figures.declare(kEnergy);
  for (const Trial& trial : trials) add_energy(trial, idle_u_w, figures);
  for (const Trial& trial : trials) add_counters(trial, figures);
  return figures.take();
}

std::vector<std::string> measure_notes(const Record& record) {
  const std::vector<Trial> trials = repetitions(record);
  return trials.empty() ? std::vector<std::string>() : notes_of(record, trials);
}

bool has_commands(const Record& record) { return !repetitions(record).empty(); }

std::string measure_markdown(const Record& record) {
  const std::vector<Trial> trials = repetitions(record);
  if (trials.empty()) return "";
  Table table({{"figure", 24, true}, {"mean", 10}, {"sd", 8}, {"95 % interval", 20}, {"n", 3}});
  for (const MeasuredFigure& figure : measured_figures(record)) table.add(row(figure));
  std::ostringstream out;
  out << head(record, trials) << '\n';
  table.write(out);
  out << '\n';
  for (const std::string& note : notes_of(record, trials)) out << note << '\n';
  out << doctor_remedies(json::array(), remedies_of(record), json::array());
  return out.str();
}

std::string measure_csv(const Record& record) {
  const std::vector<Trial> trials = repetitions(record);
  const CsvColumns columns = columns_of(trials);
  const double idle_u_w = idle_uncertainty_w(record);
  std::string text =
      "repetition,command,exit_code,failure,wall_s,user_s,system_s,peak_rss_bytes,energy_status,"
      "energy_j,dynamic_j,idle_w,mean_w,energy_source,energy_coverage,why_no_energy";
  for (const std::string& name : columns.domains) text += "," + csv_text(name + " j");
  for (const std::string& name : columns.counters) {
    text += "," + csv_text(name) + "," + csv_text(name + " running_share");
  }
  text += "\n";
  for (const Trial& trial : trials) text += csv_row(trial, columns, idle_u_w);
  return text;
}

}  // namespace tern::harness
