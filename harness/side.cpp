#include "harness/side.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "harness/error.h"
#include "harness/record_file.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// Fields of a record from elsewhere may be missing or of another kind: then they say nothing.
std::string text_at(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto field = object.find(key);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

std::int64_t number_at(const json& object, const char* key) {
  if (!object.is_object()) return 0;
  const auto field = object.find(key);
  return field != object.end() && field->is_number_integer() ? field->get<std::int64_t>() : 0;
}

const json* subject_part(const Record& record, const std::string& name) {
  for (const json& subject : record.document().at("subjects")) {
    if (text_at(subject, "name") == name) return &subject;
  }
  return nullptr;
}

std::vector<std::string> subject_names(const Record& record) {
  std::vector<std::string> names;
  for (const json& subject : record.document().at("subjects")) {
    names.push_back(text_at(subject, "name"));
  }
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "none" : text;
}

bool finished(const Record& record) { return text_at(record.document(), "status") == "ok"; }

std::pair<std::string, std::string> order_key(const Record& record) {
  return {text_at(record.document(), "created"), record.id()};
}

std::string files_sha256(const json& subject) {
  std::string all = text_at(subject, "sha256");
  if (!all.empty() || !subject.contains("files") || !subject["files"].is_array()) return all;
  for (const json& file : subject["files"]) all += text_at(file, "sha256") + " ";
  return all;
}

std::set<std::string> tests_of(const Side& side, Content content) {
  std::set<std::string> tests;
  if (content == Content::kTrials) {
    for (const Trial& trial : side.record->trials()) {
      // A command measured by itself is no run of a model: it is nobody's history.
      if (trial.subject == side.subject && !trial.command) tests.insert(trial.test);
    }
    return tests;
  }
  for (const json& eval : side.record->document().at("evals")) {
    if (text_at(eval, "subject") == side.subject) tests.insert(text_at(eval, "task"));
  }
  return tests;
}

bool is_store(const std::filesystem::path& path) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  std::array<char, 16> head{};
  std::ifstream file(path, std::ios::binary);
  return file.read(head.data(), head.size()) && std::string_view(head.data(), 16) == kMagic;
}

Side in_store(const std::filesystem::path& path, const std::string& subject) {
  const RecordStore store(path);
  const std::vector<RecordSummary> all = store.list();
  for (const RecordSummary& summary : all) {
    if (summary.status != "ok") continue;
    Side side = side_of(store.load(summary.id).value(), subject);
    side.note = fmt::format("{}: the newest of {} records, {}", path.string(), all.size(),
                            side.record->id());
    return side;
  }
  throw Error(
      fmt::format("{}: expected a store with a finished record, got {} records, none of "
                  "them finished",
                  path.string(), all.size()));
}

Side in_file(const std::filesystem::path& path, const std::string& subject) {
  std::vector<Record> records = parse_records(read_record_file(path.string()), path.string());
  if (records.size() == 1) return side_of(std::move(records.front()), subject);
  std::optional<Record> newest;
  for (const Record& record : records) {
    if (finished(record) && (!newest || order_key(record) > order_key(*newest))) newest = record;
  }
  if (!newest) {
    throw Error(fmt::format("{}: expected a finished record, got {} records, none of them finished",
                            path.string(), records.size()));
  }
  Side side = side_of(std::move(*newest), subject);
  side.note = fmt::format("{}: the newest of {} records, {}", path.string(), records.size(),
                          side.record->id());
  return side;
}

std::optional<Side> by_path(const std::string& path, const std::string& subject) {
  std::error_code ignored;
  if (path != "-" && !std::filesystem::exists(path, ignored)) return std::nullopt;
  return is_store(path) ? in_store(path, subject) : in_file(path, subject);
}

// 0 without ternary layers. Records older than the choice do not say: they had 2.
double ternary_bits(const json& subject) {
  const json layout = subject.value("ternary_layout", json::object());
  const bool said = layout.contains("bits") && layout["bits"].is_number();
  if (said) return layout["bits"].get<double>();
  return subject.value("ternary", json()) == json(true) ? 2 : 0;
}

// What a run of the same kind must share with another to be its history.
bool same_settings(const SideFacts& a, const SideFacts& b) {
  return a.machine_hash == b.machine_hash && a.kernels == b.kernels && a.threads == b.threads &&
         a.batch == b.batch && a.ubatch == b.ubatch && a.ternary_bits == b.ternary_bits &&
         a.greedy_head == b.greedy_head && a.skip_zeros == b.skip_zeros && a.type_k == b.type_k &&
         a.type_v == b.type_v;
}

// Whether the subject's trials are repetitions of a command.
bool is_command(const json& trials, const std::string& subject) {
  const auto first = std::find_if(trials.begin(), trials.end(), [&](const json& trial) {
    return text_at(trial, "subject") == subject;
  });
  return first != trials.end() && first->contains("command");
}

bool exact(const SideFacts& side) { return side.kernels.find('+') == std::string::npos; }

bool is_history(const Side& candidate, const Side& side, Content content) {
  const SideFacts before = side_facts(candidate), now = side_facts(side);
  if (!model_difference(before, now).empty() || !same_arithmetic(before, now)) return false;
  if (content == Content::kTrials && !same_settings(before, now)) return false;
  const std::set<std::string> first = tests_of(candidate, content);
  const std::set<std::string> second = tests_of(side, content);
  return std::any_of(first.begin(), first.end(),
                     [&](const std::string& test) { return second.contains(test); });
}

}  // namespace

SideFacts side_facts(const Side& side) {
  const json& document = side.record->document();
  const json& machine = document.at("machine");
  const json& protocol = document.at("protocol");
  SideFacts facts;
  facts.record_id = side.record->id();
  facts.created = text_at(document, "created");
  facts.status = text_at(document, "status");
  facts.subject = side.subject;
  if (const json* subject = subject_part(*side.record, side.subject)) {
    facts.model = text_at(*subject, "model");
    facts.description = text_at(*subject, "description");
    facts.sha256 = files_sha256(*subject);
    facts.bytes = number_at(*subject, "bytes");
    facts.parameters = number_at(*subject, "parameters");
    facts.ternary_bits = ternary_bits(*subject);
    facts.greedy_head = subject->value("greedy_head", json()) == json(true);
    facts.skip_zeros = subject->contains("skip_zeros");
    facts.derived_from = text_at(*subject, "derived_from");
  }
  facts.command = is_command(document.at("trials"), side.subject);
  facts.machine_hash = text_at(machine, "hash");
  if (machine.contains("cpu")) facts.cpu = text_at(machine["cpu"], "name");
  facts.kernels = text_at(document.at("tern"), "kernels");
  facts.commit = text_at(document.at("tern"), "commit");
  facts.order = text_at(protocol, "order");
  facts.threads = number_at(protocol, "threads");
  facts.batch = number_at(protocol, "n_batch");
  facts.ubatch = number_at(protocol, "n_ubatch");
  facts.type_k = text_at(protocol, "type_k");
  facts.type_v = text_at(protocol, "type_v");
  return facts;
}

std::string model_difference(const SideFacts& a, const SideFacts& b) {
  const auto differ = [](const char* what, const auto& x, const auto& y) {
    return fmt::format("{} is {} in A and {} in B", what, x, y);
  };
  if (a.description != b.description) {
    return differ("the model", a.description, b.description);
  }
  // The same weights take other bytes in another layout, or with copies.
  const bool alike = a.ternary_bits == b.ternary_bits && a.greedy_head == b.greedy_head &&
                     a.skip_zeros == b.skip_zeros;
  if (alike && a.bytes != b.bytes) {
    return differ("the model's size in bytes", a.bytes, b.bytes);
  }
  if (!alike && a.parameters != b.parameters) {
    return differ("the number of the model's parameters", a.parameters, b.parameters);
  }
  if (!a.sha256.empty() && !b.sha256.empty()) {
    return a.sha256 == b.sha256 ? "" : differ("the sha256 of the model", a.sha256, b.sha256);
  }
  if (a.model != b.model) return differ("the model", a.model, b.model);
  return "";
}

bool same_arithmetic(const SideFacts& a, const SideFacts& b) {
  return exact(a) == exact(b) && (exact(a) || a.machine_hash == b.machine_hash);
}

Side side_of(Record record, const std::string& subject) {
  const std::vector<std::string> names = subject_names(record);
  if (names.empty()) throw Error(fmt::format("record {}: it has no subject", record.id()));
  Side side;
  side.subject = subject.empty() ? names.front() : subject;
  if (std::find(names.begin(), names.end(), side.subject) == names.end()) {
    throw Error(fmt::format("record {}: expected a subject of it ({}), got \"{}\"", record.id(),
                            joined(names), subject));
  }
  side.record = std::make_shared<const Record>(std::move(record));
  return side;
}

Side find_side(const std::string& text, const std::filesystem::path& db) {
  if (std::optional<Side> side = by_path(text, "")) return *side;  // an '@' may be in its name
  const std::size_t at = text.rfind('@');
  const std::string name = text.substr(0, at);
  const std::string subject = at == std::string::npos ? "" : text.substr(at + 1);
  if (at != std::string::npos && subject.empty()) {
    throw Error(fmt::format("\"{}\": expected the name of a subject behind @, got nothing", text));
  }
  if (at != std::string::npos) {
    if (std::optional<Side> side = by_path(name, subject)) return *side;
  }
  const std::unique_ptr<RecordStore> store = open_for_reading(db);
  std::optional<Record> record = store == nullptr ? std::nullopt : store->load(name);
  if (!record) {
    throw Error(fmt::format(
        "\"{}\": expected a file of records, a store or the id of a record, got none of them; "
        "`tern store list` shows the records there are",
        name));
  }
  return side_of(std::move(*record), subject);
}

std::pair<Side, Side> named_sides(const std::vector<std::string>& texts,
                                  const std::filesystem::path& db) {
  Side a = find_side(texts.at(0), db);
  if (texts.size() > 1) return {std::move(a), find_side(texts[1], db)};
  const std::vector<std::string> names = subject_names(*a.record);
  for (const std::string& name : names) {
    if (name == a.subject) continue;
    Side b = side_of(*a.record, name);
    if (names.size() > 2) {
      b.note = fmt::format(
          "record {} has {} subjects ({}): B is {}; name both sides, RUN@SUBJECT, for another",
          a.record->id(), names.size(), joined(names), name);
    }
    return {std::move(a), std::move(b)};
  }
  throw Error(fmt::format(
      "record {}: it has one subject ({}) and nothing to hold it against; expected A and B",
      a.record->id(), a.subject));
}

std::optional<Side> newest_side(const RecordStore& store, Content content) {
  for (const RecordSummary& summary : store.list()) {
    if (summary.status != "ok") continue;
    Side side = side_of(store.load(summary.id).value(), "");
    if (!tests_of(side, content).empty()) return side;
  }
  return std::nullopt;
}

std::optional<Side> previous_side(const RecordStore& store, const Side& side, Content content) {
  const auto here = order_key(*side.record);
  for (const RecordSummary& summary : store.list()) {  // newest first
    if (summary.status != "ok" || std::pair(summary.created, summary.id) >= here) continue;
    Record record = store.load(summary.id).value();
    if (subject_part(record, side.subject) == nullptr) continue;
    Side candidate = side_of(std::move(record), side.subject);
    if (is_history(candidate, side, content)) return candidate;
  }
  return std::nullopt;
}

std::unique_ptr<RecordStore> open_for_reading(const std::filesystem::path& db) {
  const std::filesystem::path path = db.empty() ? RecordStore::default_path() : db;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return std::make_unique<RecordStore>(path);
  if (db.empty()) return nullptr;
  throw Error(fmt::format("--db: there is no store at {}", db.string()));
}

}  // namespace tern::harness
