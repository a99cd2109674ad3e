#include "harness/eval_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "harness/error.h"
#include "harness/record_file.h"
#include "harness/record_store.h"
#include "harness/side.h"

namespace tern::harness {

namespace {

using nlohmann::json;

constexpr std::size_t kMostNamed = 20;  // documents in one sentence

const json& identity_of(const Record& record) {
  const json& protocol = record.document().at("protocol");
  const auto found = protocol.find("identity");
  if (found == protocol.end() || !found->is_object()) {
    throw Error(fmt::format("--merge: record {} is no evaluation", record.id()));
  }
  return *found;
}

json part(const json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() ? json() : *found;
}

// Threads, batches and kernels rows change no answer, but for rows that round as their CPU does.
bool decides_answers(const std::string& key, const json& a, const json& b) {
  if (key == "kernels") {
    const auto inexact = [](const json& row) {
      return row.is_string() && row.get<std::string>().find('+') != std::string::npos;
    };
    return inexact(a) || inexact(b);
  }
  return key != "threads" && key != "n_ubatch" && key != "batch_size";
}

void compare_identities(const Record& first, const Record& other,
                        std::vector<std::string>& reasons) {
  const json &a = identity_of(first), &b = identity_of(other);
  std::set<std::string> keys;
  for (const json* identity : {&a, &b}) {
    for (const auto& [key, value] : identity->items()) keys.insert(key);
  }
  keys.erase("shard");
  for (const std::string& key : keys) {
    const json here = part(a, key), there = part(b, key);
    if (here == there) continue;
    const std::string difference = fmt::format("{} and {} differ in {}: {} and {}", first.id(),
                                               other.id(), key, here.dump(), there.dump());
    if (decides_answers(key, here, there)) {
      throw Error("--merge: these are not parts of one evaluation: records " + difference);
    }
    reasons.push_back("records " + difference);
  }
}

// "3, 5, 8 and 12 others"
std::string names_of(const std::vector<std::int64_t>& documents) {
  std::string text;
  for (std::size_t i = 0; i < std::min(documents.size(), kMostNamed); ++i) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", documents[i]);
  }
  if (documents.size() <= kMostNamed) return text;
  return fmt::format("{} and {} others", text, documents.size() - kMostNamed);
}

// What the model said, without what it cost.
json answer_of(const json& item) {
  return item.contains("response") ? part(item, "response") : part(item, "likelihoods");
}

// Items of one entry of evals[] of all records.
class Items {
 public:
  Items(std::string name, std::size_t documents) : name_(std::move(name)), documents_(documents) {}

  void add(const json& item, const std::string& record) {
    const auto doc_id = item.at("doc_id").get<std::int64_t>();
    const auto [there, added] = items_.try_emplace(doc_id, &item, record);
    if (added) return;
    if (answer_of(*there->second.first) != answer_of(item)) {
      throw Error(fmt::format("--merge: {}, document {}: records {} and {} have different answers",
                              name_, doc_id, there->second.second, record));
    }
    twice_.push_back(doc_id);
  }

  std::vector<std::int64_t> missing() const {
    std::vector<std::int64_t> list;
    for (std::size_t i = 0; i < documents_; ++i) {
      if (!items_.contains(static_cast<std::int64_t>(i))) {
        list.push_back(static_cast<std::int64_t>(i));
      }
    }
    return list;
  }

  void judge(MergedItems& merged) const {
    if (!twice_.empty()) {
      merged.reasons.push_back(fmt::format(
          "{}: documents {} are in several records; each counts once", name_, names_of(twice_)));
    }
    const std::vector<std::int64_t> list = missing();
    if (list.empty()) return;
    merged.complete = false;
    merged.reasons.push_back(fmt::format("{}: {} of {} documents are missing: {}", name_,
                                         list.size(), documents_, names_of(list)));
  }

  json list() const {
    json array = json::array();
    for (const auto& [doc_id, item] : items_) array.push_back(*item.first);
    return array;
  }

 private:
  std::string name_;
  std::size_t documents_;
  std::map<std::int64_t, std::pair<const json*, std::string>> items_;  // item, record
  std::vector<std::int64_t> twice_;
};

std::string title(const json& eval) {
  return fmt::format("{} ({})", eval.at("task").get<std::string>(),
                     eval.at("subject").get<std::string>());
}

void merge_items(const std::vector<Record>& records, MergedItems& merged) {
  json& evals = merged.record.document().at("evals");
  for (std::size_t e = 0; e < evals.size(); ++e) {
    Items items(title(evals[e]), evals[e].at("documents").get<std::size_t>());
    for (const Record& record : records) {
      for (const json& item : record.document().at("evals").at(e).at("items")) {
        items.add(item, record.id());
      }
    }
    items.judge(merged);
    evals[e]["items"] = items.list();
  }
}

// How each part ended, where it did not end well.
void add_reasons(const std::vector<Record>& records, std::vector<std::string>& reasons) {
  std::set<std::string> machines;
  for (const Record& record : records) {
    const json& document = record.document();
    machines.insert(part(document.at("machine"), "hash").dump());
    const auto status = document.at("status").get<std::string>();
    if (status == "running") {
      reasons.push_back(fmt::format("record {} is unfinished", record.id()));
    }
    for (const json& reason : document.at("reasons")) {
      if (!reason.is_string()) continue;
      const std::string text = reason.get<std::string>();
      if (std::find(reasons.begin(), reasons.end(), text) == reasons.end()) {
        reasons.push_back(text);
      }
    }
  }
  if (machines.size() > 1) {
    reasons.push_back(fmt::format(
        "the parts ran on {} machines: joules and seconds are a mean over them", machines.size()));
  }
}

Record begin_merged(const std::vector<Record>& records) {
  const json& first = records.front().document();
  Record record = Record::begin(part(first.at("tern"), "kernels").is_string()
                                    ? first.at("tern").at("kernels").get<std::string>()
                                    : "");
  json& document = record.document();
  document["machine"] = first.at("machine");
  document["protocol"] = first.at("protocol");
  document["protocol"].erase("shard");
  document["protocol"]["identity"].erase("shard");
  document["protocol"]["merged"] = json::array();
  for (const Record& merged : records) document["protocol"]["merged"].push_back(merged.id());
  document["subjects"] = first.at("subjects");
  document["evals"] = first.at("evals");
  return record;
}

}  // namespace

MergedItems merge_evaluations(const std::vector<Record>& records) try {
  std::set<std::string> ids;
  std::vector<std::string> reasons;
  for (const Record& record : records) {
    if (!ids.insert(record.id()).second) {
      throw Error(fmt::format("--merge: record {} is named twice", record.id()));
    }
    compare_identities(records.front(), record, reasons);
  }
  MergedItems merged{begin_merged(records), std::move(reasons), true};
  merge_items(records, merged);
  add_reasons(records, merged.reasons);
  return merged;
} catch (const json::exception& error) {
  throw Error(std::string("--merge: an evaluation cannot be read: ") + error.what());
}

std::vector<Record> named_records(const std::vector<std::string>& names,
                                  const std::filesystem::path& db) {
  std::vector<Record> records;
  for (const std::string& name : names) {
    std::error_code ignored;
    if (std::filesystem::exists(name, ignored)) {
      for (Record& record : parse_records(read_record_file(name), name)) {
        records.push_back(std::move(record));
      }
      continue;
    }
    const std::unique_ptr<RecordStore> store = open_for_reading(db);
    std::optional<Record> record = store == nullptr ? std::nullopt : store->load(name);
    if (!record.has_value()) {
      throw Error(fmt::format(
          "--merge: \"{}\": expected a file of records or the id of a record in the store, got "
          "neither",
          name));
    }
    records.push_back(std::move(*record));
  }
  return records;
}

}  // namespace tern::harness
