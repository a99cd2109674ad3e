#include "harness/record_store.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <thread>

#include "harness/data_home.h"
#include "harness/error.h"
#include "harness/sqlite.h"

namespace tern::harness {
namespace {

using nlohmann::json;

// "TERN": tells a store from another program's database.
constexpr std::int64_t kApplicationId = 0x5445524E;

// Step i leads from user_version i to i + 1; a step that has been released never changes.
constexpr const char* kMigrations[] = {
    "CREATE TABLE records ("
    "  id TEXT PRIMARY KEY,"
    "  created TEXT NOT NULL,"
    "  status TEXT NOT NULL,"
    "  document TEXT NOT NULL"  // without trials and evaluated items
    ") WITHOUT ROWID;"
    "CREATE INDEX records_created ON records (created);"
    "CREATE TABLE trials ("
    "  record_id TEXT NOT NULL REFERENCES records (id),"
    "  order_index INTEGER NOT NULL,"
    "  document TEXT NOT NULL,"
    "  PRIMARY KEY (record_id, order_index)"
    ") WITHOUT ROWID;",

    "CREATE TABLE eval_items ("
    "  record_id TEXT NOT NULL REFERENCES records (id),"
    "  eval INTEGER NOT NULL,"  // index in the document's evals
    "  doc_id INTEGER NOT NULL,"
    "  document TEXT NOT NULL,"
    "  PRIMARY KEY (record_id, eval, doc_id)"
    ") WITHOUT ROWID;",
};
constexpr std::int64_t kVersion = std::size(kMigrations);

// WAL lets readers look on while a run writes, and a killed process leaves whole transactions only.
// FULL waits for the disk at each commit: a trial also survives a machine that loses power, which
// benchmarks under full load make likelier, and commits happen between timed windows.
void configure(Database& database) {
  // SQLite does not wait for a lock when two processes switch a new file at once.
  constexpr int kTries = 100;
  for (int attempt = 1;; ++attempt) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      break;
    } catch (const Error&) {
      if (!database.busy() || attempt == kTries) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  database.run("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
}

void refuse_newer(const Database& database, std::int64_t version) {
  if (version <= kVersion) return;
  throw Error(
      fmt::format("{}: the store was written by a newer tern (version {}; this one reads up to {})",
                  database.name(), version, kVersion));
}

void migrate(Database& database) {
  const std::int64_t found = database.integer("PRAGMA user_version");
  refuse_newer(database, found);
  if (found == kVersion) return;
  Transaction transaction(database);
  // Again, inside the lock: another process may have been first.
  std::int64_t version = database.integer("PRAGMA user_version");
  refuse_newer(database, version);
  for (; version < kVersion; ++version) {
    database.run(kMigrations[version]);
    database.run(fmt::format("PRAGMA user_version = {}", version + 1));
  }
  database.run(fmt::format("PRAGMA application_id = {}", kApplicationId));
  transaction.commit();
}

void refuse_foreign(Database& database) {
  // In this order: another process may be creating the store, and its tables and its id appear
  // together.
  if (database.integer("SELECT count(*) FROM sqlite_master") == 0) return;
  if (database.integer("PRAGMA application_id") == kApplicationId) return;
  throw Error(fmt::format("{}: expected a store of tern, got another program's SQLite database",
                          database.name()));
}

// Whether the items of an entry of evals[] are kept in rows of their own. What a record from
// elsewhere has in another form stays in its document.
bool has_items(const json& eval) {
  return eval.is_object() && eval.contains("items") && eval["items"].is_array();
}

json without_samples(const Record& record) {
  json document = record.document();
  document["trials"] = json::array();
  for (json& eval : document["evals"]) {
    if (has_items(eval)) eval["items"] = json::array();
  }
  return document;
}

std::string text_of(const json& document) {
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Adds name to a list "a, b" once.
void add_name(std::string& list, std::set<std::string>& seen, const std::string& name) {
  if (name.empty() || !seen.insert(name).second) return;
  if (!list.empty()) list += ", ";
  list += name;
}

// The string at key, or "": a record from elsewhere may hold anything where the schema leaves room.
std::string string_at(const json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto field = object.find(key);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

std::string model_of(const json& subject) {
  if (subject.contains("model") && subject["model"].is_object()) {
    return string_at(subject["model"], "name");
  }
  return subject.contains("model") ? string_at(subject, "model") : string_at(subject, "name");
}

void describe(const json& document, RecordSummary& summary) {
  std::set<std::string> seen;
  for (const json& subject : document.at("subjects")) {
    if (subject.is_object()) add_name(summary.models, seen, model_of(subject));
  }
  if (document.contains("kernel_benchmarks") && document["kernel_benchmarks"].is_array()) {
    summary.tests = fmt::format("{} kernel benchmarks", document["kernel_benchmarks"].size());
  }
  const json& machine = document.at("machine");
  if (machine.contains("cpu")) summary.machine = string_at(machine["cpu"], "name");
}

}  // namespace

struct RecordStore::Impl {
  explicit Impl(const std::filesystem::path& path) : database(path) {}
  Database database;

  void insert_trial(const std::string& record_id, const json& trial) {
    Statement insert(database,
                     "INSERT INTO trials (record_id, order_index, document) VALUES (?1, ?2, ?3)");
    insert.bind(1, record_id).bind(2, trial.at("order_index").get<std::int64_t>());
    insert.bind(3, text_of(trial)).step();
  }

  void insert_eval_item(const std::string& record_id, std::size_t eval, const json& item) {
    if (!item.is_object() || !item.contains("doc_id") || !item["doc_id"].is_number_integer()) {
      throw Error(
          fmt::format("record {}: expected an integer in \"doc_id\" of every item of evals[{}]",
                      record_id, eval));
    }
    const std::int64_t doc_id = item["doc_id"];
    Statement insert(database,
                     "INSERT OR IGNORE INTO eval_items (record_id, eval, doc_id, document) "
                     "VALUES (?1, ?2, ?3, ?4)");
    insert.bind(1, record_id).bind(2, static_cast<std::int64_t>(eval)).bind(3, doc_id);
    insert.bind(4, text_of(item)).step();
    if (database.changes() == 1) return;
    throw Error(fmt::format("{}: record {} has document {} of evals[{}] already", database.name(),
                            record_id, doc_id, eval));
  }

  bool insert_record(const Record& record) {
    const json document = without_samples(record);
    Statement insert(database,
                     "INSERT OR IGNORE INTO records (id, created, status, document) "
                     "VALUES (?1, ?2, ?3, ?4)");
    insert.bind(1, record.id()).bind(2, document.at("created").get<std::string>());
    insert.bind(3, document.at("status").get<std::string>()).bind(4, text_of(document)).step();
    return database.changes() == 1;
  }

  void describe_trials(RecordSummary& summary) {
    Statement rows(database,
                   "SELECT json_extract(document, '$.test') FROM trials WHERE record_id = ?1 "
                   "ORDER BY order_index");
    rows.bind(1, summary.id);
    std::set<std::string> seen;
    while (rows.step()) {
      ++summary.trials;
      add_name(summary.tests, seen, rows.text(0));
    }
  }

  void describe_evals(const json& document, RecordSummary& summary) {
    std::set<std::string> seen;
    for (const json& eval : document.at("evals")) {
      add_name(summary.tests, seen, string_at(eval, "task"));
    }
    Statement count(database, "SELECT count(*) FROM eval_items WHERE record_id = ?1");
    count.bind(1, summary.id);
    if (count.step()) summary.eval_items = static_cast<int>(count.integer(0));
  }

  void load_samples(const std::string& record_id, json& document) {
    Statement trials(database,
                     "SELECT document FROM trials WHERE record_id = ?1 ORDER BY order_index");
    trials.bind(1, record_id);
    while (trials.step()) document["trials"].push_back(json::parse(trials.text(0)));
    Statement items(database,
                    "SELECT eval, document FROM eval_items WHERE record_id = ?1 "
                    "ORDER BY eval, doc_id");
    items.bind(1, record_id);
    while (items.step()) {
      const auto eval = static_cast<std::size_t>(items.integer(0));
      if (eval < document["evals"].size() && has_items(document["evals"][eval])) {
        document["evals"][eval]["items"].push_back(json::parse(items.text(1)));
      }
    }
  }

  void insert_samples(const Record& record) {
    std::set<std::int64_t> seen;
    for (const json& trial : record.document().at("trials")) {
      const std::int64_t order_index = trial.at("order_index");
      if (!seen.insert(order_index).second) {
        throw Error(
            fmt::format("record {}: two trials have the order_index {}", record.id(), order_index));
      }
      insert_trial(record.id(), trial);
    }
    const json& evals = record.document().at("evals");
    for (std::size_t i = 0; i < evals.size(); ++i) {
      if (!has_items(evals[i])) continue;
      for (const json& item : evals[i]["items"]) insert_eval_item(record.id(), i, item);
    }
  }
};

RecordStore::RecordStore(const std::filesystem::path& path) {
  std::error_code error;
  if (path == default_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    throw Error(
        fmt::format("{}: the store's folder cannot be made: {}", path.string(), error.message()));
  }
  impl_ = std::make_unique<Impl>(path);
  refuse_foreign(impl_->database);
  refuse_newer(impl_->database, impl_->database.integer("PRAGMA user_version"));
  configure(impl_->database);
  migrate(impl_->database);
}

RecordStore::~RecordStore() = default;
RecordStore::RecordStore(RecordStore&&) noexcept = default;

std::filesystem::path RecordStore::default_path() {
  if (const auto home = data_home()) return *home / "tern.db";
  throw Error("no place for the store: neither XDG_DATA_HOME nor HOME is set; give --db PATH");
}

void RecordStore::begin(const Record& record) {
  if (impl_->insert_record(record)) return;
  throw Error(fmt::format("{}: a record with the id {} is there already", impl_->database.name(),
                          record.id()));
}

void RecordStore::append(const std::string& record_id, const Trial& trial) {
  impl_->insert_trial(record_id, to_json(trial));
}

void RecordStore::append_eval_item(const std::string& record_id, std::size_t eval,
                                   const json& item) {
  impl_->insert_eval_item(record_id, eval, item);
}

void RecordStore::finish(const Record& record) {
  const json document = without_samples(record);
  Statement update(impl_->database, "UPDATE records SET status = ?2, document = ?3 WHERE id = ?1");
  update.bind(1, record.id()).bind(2, document.at("status").get<std::string>());
  update.bind(3, text_of(document)).step();
  if (impl_->database.changes() == 1) return;
  throw Error(fmt::format("{}: there is no record {}", impl_->database.name(), record.id()));
}

std::vector<RecordSummary> RecordStore::list() const {
  std::vector<RecordSummary> summaries;
  Statement rows(
      impl_->database,
      "SELECT id, created, status, document FROM records ORDER BY created DESC, id DESC");
  while (rows.step()) {
    RecordSummary summary;
    summary.id = rows.text(0);
    summary.created = rows.text(1);
    summary.status = rows.text(2);
    const json document = json::parse(rows.text(3));
    describe(document, summary);
    impl_->describe_trials(summary);
    impl_->describe_evals(document, summary);
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

std::optional<Record> RecordStore::find(const std::string& id) const {
  Statement records(impl_->database, "SELECT document FROM records WHERE id = ?1");
  records.bind(1, id);
  if (!records.step()) return std::nullopt;
  json document = json::parse(records.text(0));
  impl_->load_samples(id, document);
  return Record::parse(text_of(document));
}

std::optional<Record> RecordStore::load(const std::string& id) const {
  if (id.empty()) return std::nullopt;
  Statement ids(impl_->database,
                "SELECT id FROM records WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 2");
  ids.bind(1, id);
  if (!ids.step()) return std::nullopt;
  const std::string whole_id = ids.text(0);
  if (ids.step()) {
    throw Error(fmt::format("the id \"{}\" is ambiguous: {} and {} begin with it", id, whole_id,
                            ids.text(0)));
  }
  return find(whole_id);
}

bool RecordStore::import(const Record& record) {
  Transaction transaction(impl_->database);
  if (!impl_->insert_record(record)) return false;
  impl_->insert_samples(record);
  transaction.commit();
  return true;
}

}  // namespace tern::harness
