#pragma once
// One side of a comparison: a record and one of its subjects, found by what the user typed. It
// selects and refuses; it compares nothing.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/record.h"
#include "harness/record_store.h"

namespace tern::harness {

struct Side {
  std::shared_ptr<const Record> record;
  std::string subject;  // a name of record.subjects[]
  std::string note;     // what was chosen for the user; empty when there was no choice
};

// What a subject and its run were, as far as the record says. Empty or 0: it does not say.
struct SideFacts {
  std::string record_id, created, status, subject;
  std::string model;        // as the user gave it
  std::string description;  // llama-bench's model_type
  std::string sha256;       // of its file, or of all of its files in their order
  std::int64_t bytes = 0, parameters = 0;
  double ternary_bits = 0;  // of a ternary weight in memory; 0: there is none
  bool greedy_head = false;
  bool skip_zeros = false;
  bool command = false;  // what tern measure ran, no model
  std::string derived_from;
  std::string machine_hash, cpu, kernels, commit;
  std::string order;  // of the trials: "ABBA"
  std::int64_t threads = 0, batch = 0, ubatch = 0;
  std::string type_k, type_v;
};
SideFacts side_facts(const Side& side);

// Whether both are the same weights: by the files' hashes where both have them, else by name, type
// and size. Empty: they are; else the difference.
std::string model_difference(const SideFacts& a, const SideFacts& b);

// Whether equal weights gave equal logits: rows of kernels with a '+' in their name round as their
// CPU does, the others all alike.
bool same_arithmetic(const SideFacts& a, const SideFacts& b);

// text: a file of records (JSON or JSONL), a store, or an id (or how it begins) in the store `db`
// (empty: the default one); each may end in "@SUBJECT". Where a file or store holds several records
// it is the newest finished one; without @SUBJECT it is the record's first subject. Throws Error.
Side find_side(const std::string& text, const std::filesystem::path& db);

// The side with the named subject of that record; empty: the first one. Throws Error.
Side side_of(Record record, const std::string& subject);

// A and B as the user named them; one record alone: its first two subjects. Throws Error.
std::pair<Side, Side> named_sides(const std::vector<std::string>& texts,
                                  const std::filesystem::path& db);

// What a record must hold to be of use: timed trials or evaluated items.
enum class Content { kTrials, kItems };

// The newest finished record of the store with that content; none when it has none.
std::optional<Side> newest_side(const RecordStore& store, Content content);

// `side`'s history: the newest finished record before it with the same model and a test in common,
// and for trials also the same machine, kernels and settings. None: there is no history.
std::optional<Side> previous_side(const RecordStore& store, const Side& side, Content content);

// The store at `db` or the default place. Looking never creates one: an Error when --db names none,
// nullptr when there is none at the default place.
std::unique_ptr<RecordStore> open_for_reading(const std::filesystem::path& db);

}  // namespace tern::harness
