#include "harness/eval_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <system_error>
#include <utility>

#include "datasets/jsonl.h"
#include "harness/data_home.h"
#include "harness/error.h"
#include "harness/prompt_tokens.h"

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

void require(const engine::Tokenizer* tokenizer) {
  if (tokenizer != nullptr) return;
  throw Error("--print-prompts: expected a model (-m) or --tokenizer for the token ids, got none");
}

ordered_json messages_json(const std::vector<evals::ChatMessage>& messages) {
  ordered_json list = ordered_json::array();
  for (const evals::ChatMessage& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  return list;
}

ordered_json choice_line(const evals::ChoiceRequest& request, const engine::Tokenizer* tokenizer) {
  if (!request.messages.empty()) {
    return {{"messages", messages_json(request.messages)},
            {"continuations", request.continuations}};
  }
  require(tokenizer);
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

ordered_json contexts_line(const evals::ContextsRequest& request,
                           const engine::Tokenizer* tokenizer) {
  ordered_json line = {{"continuation", request.continuation}};
  for (const auto& messages : request.messages) {
    line["messages"].push_back(messages_json(messages));
  }
  if (!request.messages.empty()) return line;
  require(tokenizer);
  line["contexts"] = request.contexts;
  for (const std::string& context : request.contexts) {
    const EncodedPair pair = encode_pair(*tokenizer, context, request.continuation);
    line["context_ids"].push_back(pair.context);
    line["continuation_ids"].push_back(pair.continuation);
  }
  return line;
}

ordered_json text_line(const evals::TextRequest& request) {
  if (request.messages.empty()) return {{"prompt", request.prompt}};
  return {{"messages", messages_json(request.messages)}};
}

// What a request asks, beside the number of its document.
ordered_json request_line(const evals::Request& request, const engine::Tokenizer* tokenizer) {
  if (const auto* text = std::get_if<evals::TextRequest>(&request)) return text_line(*text);
  if (const auto* rolling = std::get_if<evals::RollingRequest>(&request)) {
    return {{"text", rolling->text}};
  }
  if (const auto* contexts = std::get_if<evals::ContextsRequest>(&request)) {
    return contexts_line(*contexts, tokenizer);
  }
  return choice_line(std::get<evals::ChoiceRequest>(request), tokenizer);
}

}  // namespace

fs::path find_data(const fs::path& given, const evals::TaskInfo& task) {
  std::error_code ignored;
  if (!given.empty()) {
    if (fs::is_directory(given, ignored)) return given;
    throw Error(
        fmt::format("--data: expected a folder with {}/, got {}", task.folder, given.string()));
  }
  std::string looked;
  for (const fs::path& place : usual_places()) {
    if (fs::is_directory(place / task.folder, ignored)) return place;
    looked += (looked.empty() ? "" : " or ") + (place / task.folder).string();
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
                   const PromptReader& reader, bool with_task) {
  for (std::size_t i = 0; i < documents; ++i) {
    ordered_json line;
    if (with_task) line["task"] = task.info().name;
    line["doc_id"] = i;
    evals::Request request = task.request(i);
    if (reader.chat) request = evals::rendered(std::move(request), reader.chat);
    line.update(request_line(request, reader.tokenizer));
    out << line.dump(-1, ' ', true, json::error_handler_t::replace) << '\n';
  }
}

}  // namespace tern::harness
