#include "harness/request_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "evals/text.h"
#include "harness/error.h"

namespace tern::harness {

namespace {

// Bytes that are no UTF-8 become U+FFFD, as in the decoders of other evaluation programs: a
// response is text.
std::string valid_text(const std::string& bytes) {
  using nlohmann::json;
  return json::parse(json(bytes).dump(-1, ' ', false, json::error_handler_t::replace));
}

// Whether a stop string lies in text and ends behind `from`.
bool stops(const std::string& text, std::size_t from, const std::vector<std::string>& until) {
  return std::any_of(until.begin(), until.end(), [&](const std::string& stop) {
    const std::size_t begin = from >= stop.size() - 1 ? from - (stop.size() - 1) : 0;
    return text.find(stop, begin) != std::string::npos;
  });
}

}  // namespace

std::size_t common_prefix(std::span<const int> a, std::span<const int> b) noexcept {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return static_cast<std::size_t>(end - a.begin());
}

std::int64_t truncate_left(std::vector<int>& tokens, std::int64_t longest,
                           EngineModelCounts& counts) {
  const std::int64_t dropped = std::max<std::int64_t>(std::ssize(tokens) - longest, 0);
  if (dropped == 0) return 0;
  tokens.erase(tokens.begin(), tokens.begin() + dropped);
  ++counts.truncated_prompts;
  counts.dropped_tokens += dropped;
  return dropped;
}

namespace {

EncodedPair pair_of(const engine::Tokenizer& tokenizer, const std::string& context,
                    const std::string& continuation) {
  EncodedPair pair = encode_pair(tokenizer, context, continuation);
  if (!pair.continuation.empty()) return pair;
  throw Error("the continuation \"" + continuation +
                  "\" has no tokens of its own behind its context, so it has no likelihood",
              1);
}

}  // namespace

std::vector<EncodedPair> judged_pairs(const engine::Tokenizer& tokenizer,
                                      const evals::Request& request, std::int64_t context) {
  std::vector<EncodedPair> list;
  if (const auto* choice = std::get_if<evals::ChoiceRequest>(&request)) {
    for (const std::string& continuation : choice->continuations) {
      list.push_back(pair_of(tokenizer, choice->context, continuation));
    }
  } else if (const auto* contexts = std::get_if<evals::ContextsRequest>(&request)) {
    for (const std::string& each : contexts->contexts) {
      list.push_back(pair_of(tokenizer, each, contexts->continuation));
    }
  } else if (const auto* rolling = std::get_if<evals::RollingRequest>(&request)) {
    list = encode_windows(tokenizer, rolling->text, context);
  }
  if (!list.empty()) return list;
  throw Error("a question: expected at least one continuation, or a text with tokens, got none", 1);
}

ChoiceWork::ChoiceWork(const engine::Tokenizer& tokenizer, const evals::Request& request,
                       std::int64_t context, EngineModelCounts& counts) {
  for (const EncodedPair& pair : judged_pairs(tokenizer, request, context)) {
    add_path(pair, context, counts);
  }
}

void ChoiceWork::add_path(const EncodedPair& pair, std::int64_t context,
                          EngineModelCounts& counts) {
  const auto scored = std::ssize(pair.continuation);
  if (scored > context) {
    throw Error(fmt::format("continuation: expected at most {} tokens (the context), got {}",
                            context, scored),
                1);
  }
  Path path;
  path.tokens = pair.context;
  path.tokens.insert(path.tokens.end(), pair.continuation.begin(), pair.continuation.end());
  truncate_left(path.tokens, context + 1, counts);
  path.tokens.pop_back();
  if (!paths_.empty()) path.shared = common_prefix(path.tokens, paths_.back().tokens);
  const std::size_t before = path.tokens.size() - static_cast<std::size_t>(scored);
  paths_.push_back(std::move(path));
  answer_.push_back({.greedy = true, .tokens = scored});
  add_targets(paths_.size() - 1, before, pair.continuation);
}

// The target of a row belongs to the last path that evaluates this row.
void ChoiceWork::add_targets(std::size_t answer, std::size_t before, std::span<const int> tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t row = before + i;
    std::size_t owner = paths_.size() - 1;
    while (row < paths_[owner].shared) --owner;
    std::vector<Target>& targets = paths_[owner].targets;
    const auto place =
        std::upper_bound(targets.begin(), targets.end(), row,
                         [](std::size_t r, const Target& target) { return r < target.row; });
    targets.insert(place, {row, tokens[i], answer});
  }
}

void ChoiceWork::judge(const Target& target, double log_probability, bool best) noexcept {
  evals::Likelihood& likelihood = answer_[target.answer];
  likelihood.log_likelihood += log_probability;
  likelihood.greedy = likelihood.greedy && best;
}

TextWork::TextWork(const engine::Tokenizer& tokenizer, const evals::TextRequest& request,
                   std::span<const int> ends, std::int64_t context, EngineModelCounts& counts)
    : tokenizer_(&tokenizer),
      ends_(ends),
      until_(request.limits.until),
      max_tokens_(request.limits.max_tokens),
      prompt_(encode_prompt(tokenizer, request.prompt)) {
  const std::int64_t room = context - max_tokens_;
  if (room < 1) {
    throw Error(
        fmt::format("context: expected more than the {} tokens that may be generated, got {}",
                    max_tokens_, context));
  }
  if (prompt_.empty()) throw Error("prompt: expected at least one token, got none");
  // lm-evaluation-harness stops at the text of EOS too, spelled out in ordinary tokens.
  if (tokenizer.eos() >= 0) until_.push_back(tokenizer.decode({tokenizer.eos()}, false));
  std::erase(until_, "");
  result_.dropped_tokens = truncate_left(prompt_, room, counts);
  result_.prompt_tokens = std::ssize(prompt_);
}

bool TextWork::take(int token) {
  if (std::find(ends_.begin(), ends_.end(), token) != ends_.end()) return false;
  const std::size_t before = result_.text.size();
  // A row that pads the model's matrix is no token.
  if (token < tokenizer_->vocab()) {
    // As decoding all of the answer would: its first token loses SentencePiece's space.
    result_.text += result_.new_tokens == 0 ? tokenizer_->decode({token}, true)
                                            : tokenizer_->piece(token, true);
  }
  ++result_.new_tokens;
  return result_.new_tokens < max_tokens_ && !stops(result_.text, before, until_);
}

evals::Generation TextWork::answer() && {
  result_.text = valid_text(evals::cut_at_stops(result_.text, until_));
  return std::move(result_);
}

std::int64_t positions_needed(const engine::Tokenizer& tokenizer, const evals::Request& request,
                              std::int64_t context) {
  std::int64_t most = 1;
  if (const auto* text = std::get_if<evals::TextRequest>(&request)) {
    most = std::ssize(encode_prompt(tokenizer, text->prompt)) + text->limits.max_tokens;
  } else {
    for (const EncodedPair& pair : judged_pairs(tokenizer, request, context)) {
      most = std::max(most, std::ssize(pair.context) + std::ssize(pair.continuation));
    }
  }
  return std::min(most, context);
}

}  // namespace tern::harness
