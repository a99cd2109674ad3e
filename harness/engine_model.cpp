#include "harness/engine_model.h"

#include <algorithm>
#include <utility>

#include "harness/check_vocabulary.h"
#include "harness/error.h"

namespace tern::harness {

namespace {

// A request waits for another one to evaluate what both begin with where that saves as many tokens:
// a few-shot prompt, not a "Question:".
constexpr std::size_t kWorthWaiting = 64;

std::shared_ptr<const engine::Model> checked(std::shared_ptr<const engine::Model> model,
                                             const engine::Tokenizer& tokenizer) {
  check_vocabulary(*model, tokenizer);
  return model;
}

engine::SessionOptions session_options(engine::SessionOptions options, std::int64_t context,
                                       std::int64_t longest) {
  options.context = longest > 0 ? std::min(longest, context) : context;
  return options;
}

void add(EngineModelCounts& sum, const EngineModelCounts& counts) {
  sum.evaluated_tokens += counts.evaluated_tokens;
  sum.reused_tokens += counts.reused_tokens;
  sum.truncated_prompts += counts.truncated_prompts;
  sum.dropped_tokens += counts.dropped_tokens;
}

}  // namespace

EngineModel::EngineModel(std::shared_ptr<const engine::Model> model,
                         std::shared_ptr<const engine::Tokenizer> tokenizer,
                         engine::ThreadPool& pool, const engine::SessionOptions& options,
                         const std::atomic<bool>* stop, std::int64_t longest,
                         evals::ChatTemplate chat)
    : tokenizer_(std::move(tokenizer)),
      context_(options.context > 0 ? options.context : model->config().context),
      session_(checked(std::move(model), *tokenizer_), pool,
               session_options(options, context_, longest)),
      stop_(stop),
      chat_(std::move(chat)),
      ends_(end_tokens(*tokenizer_, session_.model().config())),
      places_(static_cast<std::size_t>(session_.sequences())) {
  for (std::size_t i = 0; i < places_.size(); ++i) places_[i].sequence = static_cast<int>(i);
}

std::size_t EngineModel::places() const {
  return static_cast<std::size_t>(std::count_if(
      places_.begin(), places_.end(), [](const Place& p) { return !p.work.has_value(); }));
}

void EngineModel::submit(std::size_t ticket, const evals::Request& asked) {
  if (places() == 0) throw Error("a request: expected a free place for it, got none", 1);
  const evals::Request request = evals::rendered(asked, chat_);
  EngineModelCounts counts;
  std::variant<ChoiceWork, TextWork> work = [&]() -> std::variant<ChoiceWork, TextWork> {
    if (const auto* text = std::get_if<evals::TextRequest>(&request)) {
      return TextWork(*tokenizer_, *text, ends_, context_, counts);
    }
    return ChoiceWork(*tokenizer_, request, context_, counts);
  }();
  const auto* choice = std::get_if<ChoiceWork>(&work);
  std::vector<int> tokens =
      choice != nullptr ? choice->paths().front().tokens : std::get<TextWork>(work).prompt();
  Place& place = free_place(tokens);
  place.work = std::move(work);
  place.ticket = ticket;
  place.order = ++submitted_;
  place.begun = false;
  place.tokens = std::move(tokens);
  place.path = place.target = 0;
  place.evaluated = 0;
  place.counts = counts;
}

// The free place that has most of the tokens already; of equals the one that was free longest.
EngineModel::Place& EngineModel::free_place(std::span<const int> tokens) {
  Place* best = nullptr;
  std::size_t most = 0;
  for (Place& place : places_) {
    if (place.work.has_value()) continue;
    const std::size_t common = common_prefix(tokens, place.cached);
    if (best != nullptr && (common < most || (common == most && place.order > best->order))) {
      continue;
    }
    best = &place;
    most = common;
  }
  return *best;
}

std::vector<EngineModel::Place*> EngineModel::in_flight() {
  std::vector<Place*> list;
  for (Place& place : places_) {
    if (place.work.has_value()) list.push_back(&place);
  }
  std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->order < b->order; });
  return list;
}

BatchAdvance EngineModel::advance() {
  BatchAdvance advance;
  for (Place& place : places_) place.evaluated = 0;
  try {
    while (advance.answered.empty()) step(advance);
  } catch (...) {
    forget();
    throw;
  }
  for (const Place* place : in_flight()) {
    advance.evaluated.push_back({place->ticket, place->evaluated});
  }
  return advance;
}

// One forward pass: the next token of every text that is being written, and as many tokens of
// prompts as there is room for behind them, side by side. Choices and texts want different answers
// of a pass, so the oldest request decides which of them it is for.
void EngineModel::step(BatchAdvance& advance) {
  check_stop();
  rows_.clear();
  targets_.clear();
  judged_.clear();
  pieces_.clear();
  const std::vector<Place*> flight = in_flight();
  const std::size_t kind = flight.front()->work->index();
  for (const bool decoding : {true, false}) {
    for (Place* place : flight) {
      if (place->work->index() != kind || place->decodes() != decoding) continue;
      if (place->begun || begin(*place)) add_rows(*place);
    }
  }
  evaluate(std::holds_alternative<TextWork>(*flight.front()->work));
  for (const Piece& piece : pieces_) {
    Place& place = *piece.place;
    const auto first = place.tokens.begin() + std::ssize(place.cached);
    place.cached.insert(place.cached.end(), first, first + static_cast<std::ptrdiff_t>(piece.rows));
    place.counts.evaluated_tokens += static_cast<std::int64_t>(piece.rows);
    place.evaluated += static_cast<std::int64_t>(piece.rows);
    if (place.pending() == 0 && !goes_on(place)) finish(place, advance);
  }
}

// Looks for what is in the caches already of the tokens of a request. False: another request is
// evaluating much of them, and this one waits for it.
bool EngineModel::begin(Place& place) {
  const auto* choice = std::get_if<ChoiceWork>(&*place.work);
  // The first row of which something is wanted is evaluated in any case.
  const std::size_t most =
      choice != nullptr ? choice->paths().front().targets.front().row : place.tokens.size() - 1;
  const Place* source = &place;
  std::size_t there = std::min(common_prefix(place.tokens, place.cached), most);
  std::size_t coming = 0;
  for (const Place& other : places_) {
    if (&other == &place) continue;
    const std::size_t common = std::min(common_prefix(place.tokens, other.cached), most);
    if (common > there) {
      source = &other;
      there = common;
    }
    if (!other.work.has_value() || !other.begun) continue;
    coming = std::max(coming, std::min(common_prefix(place.tokens, other.tokens), most));
  }
  if (coming >= there + kWorthWaiting) return false;
  const auto positions = static_cast<std::int64_t>(there);
  if (source == &place) {
    session_.truncate(positions, place.sequence);
  } else {
    session_.copy_prefix(source->sequence, place.sequence, positions);
  }
  place.cached.assign(place.tokens.begin(), place.tokens.begin() + positions);
  place.counts.reused_tokens += positions;
  place.begun = true;
  return true;
}

void EngineModel::add_rows(Place& place) {
  const std::size_t room = static_cast<std::size_t>(session_.most_rows()) - rows_.size();
  const std::size_t count = std::min(room, place.pending());
  if (count == 0) return;
  const std::size_t first = place.cached.size(), end = first + count;
  const std::size_t base = rows_.size();
  const bool last = end == place.tokens.size();
  for (std::size_t i = first; i < end; ++i) {
    rows_.push_back({place.sequence, place.tokens[i], last && i + 1 == end});
  }
  pieces_.push_back({&place, count});
  const auto* choice = std::get_if<ChoiceWork>(&*place.work);
  if (choice == nullptr) return;
  const std::vector<ChoiceWork::Target>& targets = choice->paths()[place.path].targets;
  for (; place.target < targets.size() && targets[place.target].row < end; ++place.target) {
    const ChoiceWork::Target& target = targets[place.target];
    targets_.push_back({static_cast<std::int64_t>(base + target.row - first), target.token});
    judged_.push_back({&place, &target});
  }
}

void EngineModel::evaluate(bool texts) {
  if (texts) {
    session_.step_greedy(rows_, [&](std::int64_t row, int token) {
      const int sequence = rows_[static_cast<std::size_t>(row)].sequence;
      places_[static_cast<std::size_t>(sequence)].next = token;
    });
    return;
  }
  session_.step_scores(rows_, targets_, [&](std::int64_t i, double log_probability, bool best) {
    const Judged& judged = judged_[static_cast<std::size_t>(i)];
    std::get<ChoiceWork>(*judged.place->work).judge(*judged.target, log_probability, best);
  });
}

// All tokens of the place are in the cache. Whether there are others to evaluate.
bool EngineModel::goes_on(Place& place) {
  if (auto* text = std::get_if<TextWork>(&*place.work)) {
    if (!text->take(place.next)) return false;
    place.tokens.push_back(place.next);
    return true;
  }
  return next_path(place, std::get<ChoiceWork>(*place.work));
}

bool EngineModel::next_path(Place& place, const ChoiceWork& work) {
  const auto paths = work.paths();
  do {
    if (++place.path == paths.size()) return false;
  } while (paths[place.path].shared == paths[place.path].tokens.size());
  const ChoiceWork::Path& path = paths[place.path];
  place.tokens = path.tokens;
  place.target = 0;
  place.cached.resize(path.shared);
  place.counts.reused_tokens += static_cast<std::int64_t>(path.shared);
  session_.truncate(static_cast<std::int64_t>(path.shared), place.sequence);
  return true;
}

void EngineModel::finish(Place& place, BatchAdvance& advance) {
  BatchAnswer answer;
  answer.ticket = place.ticket;
  answer.counts = place.counts;
  if (auto* text = std::get_if<TextWork>(&*place.work)) {
    evals::Generation generation = std::move(*text).answer();
    answer.answer = std::move(generation.text);
    answer.prompt_tokens = generation.prompt_tokens;
    answer.new_tokens = generation.new_tokens;
    answer.dropped_tokens = generation.dropped_tokens;
  } else {
    answer.answer = std::move(std::get<ChoiceWork>(*place.work)).answer();
  }
  add(counts_, place.counts);
  advance.evaluated.push_back({place.ticket, place.evaluated});
  advance.answered.push_back(std::move(answer));
  place.work.reset();
}

// Behind something that threw nobody knows what the session holds.
void EngineModel::forget() noexcept {
  for (Place& place : places_) {
    place.work.reset();
    place.cached.clear();
    session_.truncate(0, place.sequence);
  }
}

BatchAnswer EngineModel::alone(const evals::Request& request) {
  if (places() != places_.size()) throw Error("a request alone: others are in flight", 1);
  submit(0, request);
  return std::move(advance().answered.front());
}

std::vector<evals::Likelihood> EngineModel::log_likelihoods(
    const std::string& context, std::span<const std::string> continuations) {
  return std::get<evals::ChoiceAnswer>(
      alone(evals::ChoiceRequest{context, {continuations.begin(), continuations.end()}, {}})
          .answer);
}

std::vector<evals::Likelihood> EngineModel::rolling_log_likelihoods(const std::string& text) {
  return std::get<evals::ChoiceAnswer>(alone(evals::RollingRequest{text}).answer);
}

evals::Generation EngineModel::generate(const std::string& prompt,
                                        const evals::GenerationLimits& limits) {
  BatchAnswer answer = alone(evals::TextRequest{prompt, limits, {}});
  return {.text = std::get<std::string>(std::move(answer.answer)),
          .prompt_tokens = answer.prompt_tokens,
          .new_tokens = answer.new_tokens,
          .dropped_tokens = answer.dropped_tokens};
}

void EngineModel::check_stop() const {
  if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) throw Error("interrupted", 1);
}

}  // namespace tern::harness
