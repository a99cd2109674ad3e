#pragma once
// Our engine as the language model of an evaluation, one request at a time or many side by side.
// Log-likelihoods come from the engine in binary64 with our own exp and log in a fixed order, so
// that no score depends on libm, threads, batch or kernels row. Not thread-safe.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/session.h"
#include "engine/tokenizer/tokenizer.h"
#include "evals/language_model.h"
#include "harness/batched_model.h"
#include "harness/request_work.h"

namespace tern::harness {

class EngineModel final : public evals::LanguageModel, public BatchedModel {
 public:
  // As many places as options.sequences. options.context is what a request may take at most; no
  // cache is kept for more than `longest` positions of each sequence where the caller knows that no
  // request takes more (positions_needed; 0: it does not know).
  // `chat` makes conversations text. Throws Error when the tokenizer's vocabulary is not the
  // model's (check_vocabulary.h). With `stop`, a request ends
  // with an Error (code 1) soon after it turns true. `pool` must outlive this.
  EngineModel(std::shared_ptr<const engine::Model> model,
              std::shared_ptr<const engine::Tokenizer> tokenizer, engine::ThreadPool& pool,
              const engine::SessionOptions& options, const std::atomic<bool>* stop = nullptr,
              std::int64_t longest = 0, evals::ChatTemplate chat = nullptr);

  std::size_t places() const override;
  // Throws Error when a conversation has no template, a continuation has no tokens of its own or is
  // longer than the context, or the context has no room for a text.
  void submit(std::size_t ticket, const evals::Request& request) override;
  BatchAdvance advance() override;

  // A request alone; nothing else may be in flight.
  std::vector<evals::Likelihood> log_likelihoods(
      const std::string& context, std::span<const std::string> continuations) override;
  std::vector<evals::Likelihood> rolling_log_likelihoods(const std::string& text) override;
  evals::Generation generate(const std::string& prompt,
                             const evals::GenerationLimits& limits) override;

  const EngineModelCounts& counts() const noexcept { return counts_; }  // since construction

 private:
  // One sequence of the session, and the request that it works on.
  struct Place {
    int sequence = 0;
    std::vector<int> cached;  // the tokens whose keys and values the session holds
    std::optional<std::variant<ChoiceWork, TextWork>> work;  // nothing: the place is free
    std::size_t ticket = 0;
    std::uint64_t order = 0;     // of submission; a free place keeps that of its last request
    bool begun = false;          // what others have of its tokens was looked for
    std::vector<int> tokens;     // to be in the cache: a path of a choice, a prompt and its text
    std::size_t path = 0;        // of a choice
    std::size_t target = 0;      // of that path: the next one
    int next = 0;                // of a text: the token behind `tokens`
    std::int64_t evaluated = 0;  // since advance() began
    EngineModelCounts counts;    // of this request

    std::size_t pending() const noexcept { return tokens.size() - cached.size(); }
    bool decodes() const noexcept { return begun && pending() == 1; }
  };
  // What a step has of one place.
  struct Piece {
    Place* place = nullptr;
    std::size_t rows = 0;
  };
  struct Judged {
    Place* place = nullptr;
    const ChoiceWork::Target* target = nullptr;
  };

  Place& free_place(std::span<const int> tokens);
  std::vector<Place*> in_flight();  // in the order of submission
  bool begin(Place& place);
  void step(BatchAdvance& advance);
  void add_rows(Place& place);
  void evaluate(bool texts);
  bool goes_on(Place& place);
  bool next_path(Place& place, const ChoiceWork& work);
  void finish(Place& place, BatchAdvance& advance);
  void forget() noexcept;
  BatchAnswer alone(const evals::Request& request);
  void check_stop() const;

  std::shared_ptr<const engine::Tokenizer> tokenizer_;
  std::int64_t context_;
  engine::Session session_;
  const std::atomic<bool>* stop_;
  evals::ChatTemplate chat_;
  std::vector<int> ends_;  // ids that end a text
  std::vector<Place> places_;
  std::uint64_t submitted_ = 0;
  EngineModelCounts counts_;

  // The step that is put together.
  std::vector<engine::StepRow> rows_;
  std::vector<engine::StepTarget> targets_;
  std::vector<Judged> judged_;  // (targets)
  std::vector<Piece> pieces_;
};

}  // namespace tern::harness
