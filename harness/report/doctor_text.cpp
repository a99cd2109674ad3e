#include "harness/report/doctor_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "harness/record_text.h"

namespace tern::harness {
namespace {

using nlohmann::json;
using Cells = std::vector<std::vector<std::string>>;

std::string text_of(const json& row, const char* key) { return row.value(key, std::string()); }

bool is_usable(const json& row) { return row.at("usable").get<bool>(); }

// Names that share a text, in their order.
struct Shared {
  std::string names, text;
};

void add_shared(std::vector<Shared>& all, const std::string& name, const std::string& text) {
  const auto same =
      std::find_if(all.begin(), all.end(), [&](const Shared& one) { return one.text == text; });
  if (same == all.end()) {
    all.push_back({name, text});
  } else {
    same->names += ", " + name;
  }
}

// The reason without the name of the event, so that counters that fail alike share a row.
std::string common_reason(const json& counter) {
  std::string why = text_of(counter, "why");
  const std::string event = text_of(counter, "event");
  const std::size_t at = event.empty() ? std::string::npos : why.find(event);
  if (at != std::string::npos) why.replace(at, event.size(), "the event");
  return why;
}

std::string meter_note(const json& row) {
  if (!is_usable(row)) return text_of(row, "why");
  std::string note = text_of(row, "coverage");
  if (row.value("attributed", false)) note += " (attributed to this virtual machine, not measured)";
  for (const json& domain : row.value("domains", json::array())) {
    if (domain.at("included").get<bool>()) continue;
    note += fmt::format("; {} left out: {}", text_of(domain, "name"), text_of(domain, "why"));
  }
  return note;
}

// Of the meters, what the one said that was compared with another; null: none has a place for it.
json cross_check(const json& meters) {
  for (const json& row : meters) {
    if (row.contains("cross_check")) return row["cross_check"];
  }
  return nullptr;
}

bool meters_disagree(const json& meters) {
  const json check = cross_check(meters);
  return check.is_object() && text_of(check, "verdict") == "disagree";
}

std::string cross_check_line(const json& meters) {
  const json check = cross_check(meters);
  if (check.is_null()) return "";
  if (text_of(check, "verdict") == "not_compared") {
    return fmt::format("\ncross-check: perf and powercap were not compared: {}\n",
                       text_of(check, "why"));
  }
  return fmt::format("\ncross-check: {}{}\n", text_of(check, "text"),
                     meters_disagree(meters)
                         ? "; one of them is wrong about a unit, a package or a wrap, so trust "
                           "neither before you know which"
                         : "");
}

std::string meters_table(const json& meters) {
  Cells cells;
  for (const json& row : meters) {
    cells.push_back({text_of(row, "name"), is_usable(row) ? "yes" : "no", meter_note(row)});
  }
  return "\n" + markdown_table({"meter", "usable", "note"}, cells) + cross_check_line(meters);
}

std::string counters_table(const json& counters) {
  Cells cells;
  std::vector<Shared> absent;
  for (const json& row : counters) {
    if (is_usable(row)) {
      cells.push_back({text_of(row, "name"), "yes", text_of(row, "event")});
    } else {
      add_shared(absent, text_of(row, "name"), common_reason(row));
    }
  }
  for (Shared& shared : absent) cells.push_back({shared.names, "no", shared.text});
  return "\n" + markdown_table({"counter", "usable", "note"}, cells);
}

std::string checks_table(const json& checks) {
  Cells cells;
  for (const json& row : checks) {
    cells.push_back({text_of(row, "name"), text_of(row, "value"), text_of(row, "verdict"),
                     text_of(row, "why")});
  }
  return "\n" + markdown_table({"environment", "is", "verdict", "why"}, cells);
}

// "what it does: what to type" on two lines; anything else as it is.
std::string remedy_lines(const std::string& remedy) {
  constexpr std::size_t kLongestLabel = 60;
  std::string text;
  for (std::size_t begin = 0; begin < remedy.size();) {
    const std::size_t end = std::min(remedy.find('\n', begin), remedy.size());
    const std::string line = remedy.substr(begin, end - begin);
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos && colon <= kLongestLabel) {
      text += fmt::format("  {}:\n      {}\n", line.substr(0, colon), line.substr(colon + 2));
    } else {
      text += "      " + line + "\n";
    }
    begin = end + 1;
  }
  return text;
}

void add_remedies(std::vector<Shared>& all, const json& rows, const char* prefix) {
  for (const json& row : rows) {
    const std::string remedy = text_of(row, "remedy");
    if (remedy.empty() || row.value("usable", false)) continue;
    add_shared(all, prefix + text_of(row, "name"), remedy);
  }
}

bool any_remedy(const json& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const json& row) {
    return !is_usable(row) && !text_of(row, "remedy").empty();
  });
}

}  // namespace

std::string doctor_summary(const json& meters, const json& counters) {
  std::string energy;
  for (const json& row : meters) {
    if (!is_usable(row) || !energy.empty()) continue;
    energy = fmt::format("{} by {} ({})",
                         row.value("attributed", false) ? "attributed, not measured," : "measured",
                         text_of(row, "name"), text_of(row, "coverage"));
  }
  if (meters_disagree(meters)) energy += "; perf and powercap disagree, see below";
  const char* below = "not usable now, but could be: see \"What to type\" below";
  if (energy.empty()) energy = any_remedy(meters) ? below : "not measurable here";
  const auto usable = std::count_if(counters.begin(), counters.end(), is_usable);
  std::string count = fmt::format("{} of {} usable", usable, counters.size());
  if (usable == 0) count = any_remedy(counters) ? below : "none here";
  return fmt::format("energy    {}\ncounters  {}\n", energy, count);
}

std::string doctor_tables(const json& meters, const json& counters, const json& checks) {
  return meters_table(meters) + counters_table(counters) + checks_table(checks);
}

std::string doctor_remedies(const json& meters, const json& counters, const json& checks) {
  std::vector<Shared> all;
  add_remedies(all, meters, "meter ");
  add_remedies(all, counters, "");
  add_remedies(all, checks, "");
  if (all.empty()) return "";
  std::string text = "\nWhat to type (nothing here was changed):\n";
  for (const Shared& shared : all) text += "\n" + shared.names + "\n" + remedy_lines(shared.text);
  return text;
}

}  // namespace tern::harness
