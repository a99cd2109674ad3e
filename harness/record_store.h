#pragma once
// Records in one SQLite file (WAL). A run is begun before its first trial or evaluated item, and
// each is committed as it finishes, so a killed process loses at most the one in flight and the
// file always opens.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/record.h"

namespace tern::harness {

struct RecordSummary {
  std::string id, created, status, models, tests, machine;  // tests: and tasks
  int trials = 0;
  int eval_items = 0;
};

class RecordStore {
 public:
  // Opens or creates; migrates by user_version. Throws Error when the file cannot be opened or
  // written, or was made by a newer version.
  explicit RecordStore(const std::filesystem::path& path);
  ~RecordStore();
  RecordStore(RecordStore&&) noexcept;

  // $XDG_DATA_HOME/tern/tern.db, or ~/.local/share/tern/tern.db.
  static std::filesystem::path default_path();

  void begin(const Record& record);  // the document without trials and evaluated items
  void append(const std::string& record_id, const Trial& trial);
  // An item of evals[eval] (an object with an integer "doc_id"). Throws Error when that document is
  // there already: no item counts twice.
  void append_eval_item(const std::string& record_id, std::size_t eval, const nlohmann::json& item);
  void finish(const Record& record);  // everything but trials and evaluated items again

  std::vector<RecordSummary> list() const;                  // newest first
  std::optional<Record> find(const std::string& id) const;  // the whole id; nullopt when none
  // id: whole, or a prefix that names one record. nullopt when none; Error when ambiguous.
  std::optional<Record> load(const std::string& id) const;
  // Idempotent: a record whose id is there already is left alone. Returns whether it was added.
  bool import(const Record& record);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern::harness
