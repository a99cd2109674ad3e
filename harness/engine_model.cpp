#include "harness/engine_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "evals/text.h"
#include "harness/error.h"
#include "kernels/vector/math.h"

namespace tern::harness {

namespace {

// Tokens evaluated between two looks at the stop flag.
constexpr std::size_t kStride = 512;

bool is_special(const engine::Tokenizer& tokenizer, int id) {
  return tokenizer.decode({id}, true).empty() && !tokenizer.decode({id}, false).empty();
}

// What ends a text: the tokenizer's own end, the model's, and the chat end tokens of the Llama-3
// and Qwen families where the vocabulary has them as special tokens.
std::vector<int> end_tokens(const engine::Tokenizer& tokenizer, const engine::ModelConfig& config) {
  std::vector<int> ends;
  if (tokenizer.eos() >= 0) ends.push_back(tokenizer.eos());
  if (config.eos >= 0) ends.push_back(static_cast<int>(config.eos));
  for (const char* text : {"<|eot_id|>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>"}) {
    const std::vector<int> ids = tokenizer.encode(text, true);
    if (ids.size() == 1 && is_special(tokenizer, ids[0])) ends.push_back(ids[0]);
  }
  return ends;
}

// Bytes that are no UTF-8 become U+FFFD, as in the decoders of other evaluation programs: a
// response is text.
std::string valid_text(const std::string& bytes) {
  using nlohmann::json;
  return json::parse(json(bytes).dump(-1, ' ', false, json::error_handler_t::replace));
}

// Whether a stop string lies in text and ends behind `from`.
bool stops(const std::string& text, std::size_t from, const std::vector<std::string>& until) {
  return std::any_of(until.begin(), until.end(), [&](const std::string& stop) {
    if (stop.empty()) return false;
    const std::size_t begin = from >= stop.size() - 1 ? from - (stop.size() - 1) : 0;
    return text.find(stop, begin) != std::string::npos;
  });
}

std::shared_ptr<const engine::Model> check_vocabulary(std::shared_ptr<const engine::Model> model,
                                                      const engine::Tokenizer& tokenizer) {
  if (tokenizer.vocab() == model->config().vocab) return model;
  throw Error(fmt::format(
      "the tokenizer ({}) and the model {} do not belong together: expected {} tokens, "
      "as the model has, got {}",
      tokenizer.description(), model->facts().spec, model->config().vocab, tokenizer.vocab()));
}

}  // namespace

std::vector<int> encode_prompt(const engine::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int> ids = tokenizer.encode(text, true);
  const int bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos >= 0 && (ids.empty() || ids.front() != bos)) {
    ids.insert(ids.begin(), bos);
  }
  return ids;
}

EncodedPair encode_pair(const engine::Tokenizer& tokenizer, const std::string& context,
                        const std::string& continuation) {
  if (context.empty()) {
    // Something must stand before the first token that is scored.
    const int prefix = tokenizer.bos() >= 0 ? tokenizer.bos() : tokenizer.eos();
    if (prefix < 0) {
      throw Error("an empty context needs a BOS or EOS token, and the tokenizer (" +
                  tokenizer.description() + ") has neither");
    }
    EncodedPair pair{{prefix}, tokenizer.encode(continuation, true)};
    if (!pair.continuation.empty() && pair.continuation.front() == prefix) {
      pair.continuation.erase(pair.continuation.begin());
    }
    return pair;
  }
  const auto [head, tail] = evals::move_trailing_space(context, continuation);
  EncodedPair pair{encode_prompt(tokenizer, head), encode_prompt(tokenizer, head + tail)};
  const std::size_t split = std::min(pair.context.size(), pair.continuation.size());
  pair.continuation.erase(pair.continuation.begin(),
                          pair.continuation.begin() + static_cast<std::ptrdiff_t>(split));
  return pair;
}

double log_probability(std::span<const float> logits, int token) noexcept {
  // exp_f64 is defined down to here; what is smaller adds nothing to a sum that is at least 1.
  constexpr double kLowest = -690;
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) {
    const double shifted = double{logit} - top;
    if (shifted > kLowest) sum += kernels::exp_f64(shifted);
  }
  return double{logits[static_cast<std::size_t>(token)]} - top - kernels::log_f64(sum);
}

EngineModel::EngineModel(std::shared_ptr<const engine::Model> model,
                         std::shared_ptr<const engine::Tokenizer> tokenizer,
                         engine::ThreadPool& pool, const engine::SessionOptions& options,
                         const std::atomic<bool>* stop)
    : tokenizer_(std::move(tokenizer)),
      session_(check_vocabulary(std::move(model), *tokenizer_), pool, options),
      stop_(stop),
      ends_(end_tokens(*tokenizer_, session_.model().config())) {}

std::vector<evals::Likelihood> EngineModel::log_likelihoods(
    const std::string& context, std::span<const std::string> continuations) {
  std::vector<evals::Likelihood> likelihoods;
  for (const std::string& continuation : continuations) {
    EncodedPair pair = encode_pair(*tokenizer_, context, continuation);
    if (pair.continuation.empty()) {
      throw Error("the continuation \"" + continuation +
                      "\" has no tokens of its own behind its context, so it has no likelihood",
                  1);
    }
    likelihoods.push_back(likelihood(std::move(pair)));
  }
  return likelihoods;
}

// The logits behind the context's last token judge the first token of the continuation, and so on;
// the last token of the continuation is never evaluated.
evals::Likelihood EngineModel::likelihood(EncodedPair pair) {
  const auto scored = std::ssize(pair.continuation);
  if (scored > session_.context()) {
    throw Error(fmt::format("continuation: expected at most {} tokens (the context), got {}",
                            session_.context(), scored),
                1);
  }
  std::vector<int> tokens = std::move(pair.context);
  tokens.insert(tokens.end(), pair.continuation.begin(), pair.continuation.end());
  truncate_left(tokens, session_.context() + 1);
  tokens.pop_back();
  const std::size_t before = tokens.size() - static_cast<std::size_t>(scored);

  evals::Likelihood result{.greedy = true, .tokens = scored};
  const auto judge = [&](std::int64_t index, std::span<const float> logits) {
    check_stop();
    const int token = pair.continuation[static_cast<std::size_t>(index)];
    result.log_likelihood += log_probability(logits, token);
    result.greedy = result.greedy && engine::argmax(logits) == token;
  };
  // Context and continuation apart: logits of a context token would be computed for nothing.
  const std::span<const int> all(tokens);
  judge(0, fill(all.first(before + 1)));
  if (scored > 1) {
    const std::span<const int> rest = all.subspan(before + 1);
    session_.prefill_all(
        rest, [&](std::int64_t i, std::span<const float> logits) { judge(i + 1, logits); });
    cached_.insert(cached_.end(), rest.begin(), rest.end());
    counts_.evaluated_tokens += std::ssize(rest);
  }
  return result;
}

evals::Generation EngineModel::generate(const std::string& prompt,
                                        const evals::GenerationLimits& limits) {
  const std::int64_t room = session_.context() - limits.max_tokens;
  if (room < 1) {
    throw Error(
        fmt::format("context: expected more than the {} tokens that may be generated, got {}",
                    limits.max_tokens, session_.context()));
  }
  // lm-evaluation-harness stops at the text of EOS too, spelled out in ordinary tokens.
  std::vector<std::string> until = limits.until;
  if (tokenizer_->eos() >= 0) until.push_back(tokenizer_->decode({tokenizer_->eos()}, false));
  std::erase(until, "");
  std::vector<int> tokens = encode_prompt(*tokenizer_, prompt);
  evals::Generation result;
  result.dropped_tokens = truncate_left(tokens, room);
  result.prompt_tokens = std::ssize(tokens);
  int next = engine::argmax(fill(tokens));
  while (!ends_text(next)) {
    const std::size_t before = result.text.size();
    result.text += tokenizer_->decode({next}, true);
    ++result.new_tokens;
    if (result.new_tokens == limits.max_tokens || stops(result.text, before, until)) break;
    check_stop();
    const int token = next;
    next = session_.decode_greedy(token);
    cached_.push_back(token);
    ++counts_.evaluated_tokens;
  }
  result.text = valid_text(evals::cut_at_stops(result.text, until));
  return result;
}

std::span<const float> EngineModel::fill(std::span<const int> tokens) {
  if (tokens.empty()) throw Error("prompt: expected at least one token, got none");
  const auto mismatch = std::mismatch(tokens.begin(), tokens.end(), cached_.begin(), cached_.end());
  // The last token is evaluated in any case: its logits are what the caller wants.
  std::size_t done =
      std::min(static_cast<std::size_t>(mismatch.first - tokens.begin()), tokens.size() - 1);
  // Whatever throws below: cached_ never claims more than the session holds.
  cached_.resize(done);
  session_.truncate(static_cast<std::int64_t>(done));
  counts_.reused_tokens += static_cast<std::int64_t>(done);
  std::span<const float> logits;
  while (done < tokens.size()) {
    check_stop();
    const std::span<const int> part = tokens.subspan(done, std::min(kStride, tokens.size() - done));
    logits = session_.prefill(part);
    cached_.insert(cached_.end(), part.begin(), part.end());
    counts_.evaluated_tokens += std::ssize(part);
    done += part.size();
  }
  return logits;
}

std::int64_t EngineModel::truncate_left(std::vector<int>& tokens, std::int64_t longest) {
  const std::int64_t dropped = std::max<std::int64_t>(std::ssize(tokens) - longest, 0);
  if (dropped == 0) return 0;
  tokens.erase(tokens.begin(), tokens.begin() + dropped);
  ++counts_.truncated_prompts;
  counts_.dropped_tokens += dropped;
  return dropped;
}

bool EngineModel::ends_text(int token) const noexcept {
  return std::find(ends_.begin(), ends_.end(), token) != ends_.end();
}

void EngineModel::check_stop() const {
  if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) throw Error("interrupted", 1);
}

}  // namespace tern::harness
