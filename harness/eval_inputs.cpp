#include "harness/eval_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <system_error>

#include "datasets/jsonl.h"
#include "harness/data_home.h"
#include "harness/engine_model.h"
#include "harness/error.h"

namespace tern::harness {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

std::vector<fs::path> usual_places() {
  std::vector<fs::path> places;
  if (const auto home = data_home()) places.push_back(*home / "datasets");
  places.emplace_back("../shared/datasets");
  return places;
}

std::int64_t doc_id_of(const datasets::JsonlPlace& place, const json& line) {
  const auto found = line.is_object() ? line.find("doc_id") : line.end();
  if (!line.is_object() || found == line.end() || !found->is_number_integer()) {
    throw Error(fmt::format("{}: expected an object with an integer \"doc_id\"", place.text()));
  }
  if (found->is_number_unsigned() &&
      found->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    throw Error(
        fmt::format("{}: expected a doc_id of a document, got {}", place.text(), found->dump()));
  }
  return found->get<std::int64_t>();
}

ordered_json choice_line(const evals::ChoiceRequest& request, const engine::Tokenizer* tokenizer) {
  if (tokenizer == nullptr) {
    throw Error(
        "--print-prompts: expected a model (-m) or --tokenizer for the token ids, got none");
  }
  ordered_json line = {{"context", request.context}, {"continuations", request.continuations}};
  line["context_ids"] = ordered_json::array();
  line["continuation_ids"] = ordered_json::array();
  for (const std::string& continuation : request.continuations) {
    const EncodedPair pair = encode_pair(*tokenizer, request.context, continuation);
    line["context_ids"] = pair.context;
    line["continuation_ids"].push_back(pair.continuation);
  }
  return line;
}

}  // namespace

fs::path find_data(const fs::path& given, const evals::TaskInfo& task) {
  std::error_code ignored;
  if (!given.empty()) {
    if (fs::is_directory(given, ignored)) return given;
    throw Error(
        fmt::format("--data: expected a folder with {}/, got {}", task.name, given.string()));
  }
  std::string looked;
  for (const fs::path& place : usual_places()) {
    if (fs::is_directory(place / task.name, ignored)) return place;
    looked += (looked.empty() ? "" : " or ") + (place / task.name).string();
  }
  throw Error(fmt::format("the data of {} is not there: looked for {}; --data names its folder",
                          task.name, looked));
}

std::vector<EvalItem> score_responses(const evals::Task& task, std::size_t documents,
                                      const fs::path& file) {
  if (task.info().output != evals::OutputType::kGenerateUntil) {
    throw Error(fmt::format("--responses: {} is scored from log-likelihoods, not from texts",
                            task.info().name));
  }
  std::map<std::int64_t, EvalItem> items;
  std::map<std::int64_t, int> lines;
  datasets::read_jsonl(file, [&](const datasets::JsonlPlace& place, const json& line) {
    const std::int64_t doc_id = doc_id_of(place, line);
    std::string response = datasets::string_field(place, line, "response");
    if (doc_id < 0 || static_cast<std::size_t>(doc_id) >= task.size()) {
      throw Error(fmt::format("{}: expected a doc_id from 0 to {} ({} has {} documents), got {}",
                              place.text(), task.size() - 1, task.info().name, task.size(),
                              doc_id));
    }
    const auto [first, added] = lines.try_emplace(doc_id, place.line);
    if (!added) {
      throw Error(fmt::format("{}: doc_id {} was answered in line {} already", place.text(), doc_id,
                              first->second));
    }
    if (static_cast<std::size_t>(doc_id) >= documents) return;
    EvalItem item;
    item.result = task.score(static_cast<std::size_t>(doc_id), std::move(response));
    item.energy.why = "the answers were made elsewhere";
    items.emplace(doc_id, std::move(item));
  });
  if (items.empty()) {
    throw Error(fmt::format("{}: expected answers to the first {} documents of {}, got none",
                            file.string(), documents, task.info().name));
  }
  std::vector<EvalItem> list;
  for (auto& [doc_id, item] : items) list.push_back(std::move(item));
  return list;
}

void print_prompts(std::ostream& out, const evals::Task& task, std::size_t documents,
                   const engine::Tokenizer* tokenizer, bool with_task) {
  for (std::size_t i = 0; i < documents; ++i) {
    ordered_json line;
    if (with_task) line["task"] = task.info().name;
    line["doc_id"] = i;
    const evals::Request request = task.request(i);
    if (const auto* text = std::get_if<evals::TextRequest>(&request)) {
      line["prompt"] = text->prompt;
    } else {
      line.update(choice_line(std::get<evals::ChoiceRequest>(request), tokenizer));
    }
    out << line.dump(-1, ' ', true, json::error_handler_t::replace) << '\n';
  }
}

}  // namespace tern::harness
