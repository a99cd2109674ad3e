#include "harness/eval_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "harness/energy_share.h"

namespace tern::harness {

namespace {

EngineModelCounts difference(const EngineModelCounts& after, const EngineModelCounts& before) {
  return {.evaluated_tokens = after.evaluated_tokens - before.evaluated_tokens,
          .reused_tokens = after.reused_tokens - before.reused_tokens,
          .truncated_prompts = after.truncated_prompts - before.truncated_prompts,
          .dropped_tokens = after.dropped_tokens - before.dropped_tokens};
}

// A model without batches as one with a single place.
class OneByOne final : public BatchedModel {
 public:
  OneByOne(evals::LanguageModel& model, const EngineModelCounts* counts)
      : model_(model), counts_(counts) {}

  std::size_t places() const override { return request_.has_value() ? 0 : 1; }
  void submit(std::size_t ticket, const evals::Request& request) override {
    ticket_ = ticket;
    request_ = request;
  }

  BatchAdvance advance() override {
    const evals::Request request = *std::exchange(request_, std::nullopt);
    const EngineModelCounts before = counts_ != nullptr ? *counts_ : EngineModelCounts();
    BatchAnswer answer;
    answer.ticket = ticket_;
    evals::ModelAnswer given = evals::ask(model_, evals::rendered(request, nullptr));
    answer.answer = std::move(given.answer);
    answer.prompt_tokens = given.prompt_tokens;
    answer.new_tokens = given.new_tokens;
    answer.dropped_tokens = given.dropped_tokens;
    if (counts_ != nullptr) answer.counts = difference(*counts_, before);
    BatchAdvance advance;
    advance.evaluated.push_back({ticket_, 1});  // all of the window is its own
    advance.answered.push_back(std::move(answer));
    return advance;
  }

 private:
  evals::LanguageModel& model_;
  const EngineModelCounts* counts_;
  std::size_t ticket_ = 0;
  std::optional<evals::Request> request_;
};

class Loop {
 public:
  Loop(std::vector<TaskRun>& runs, std::span<BatchedModel* const> models, Instruments& instruments,
       EvalListener& listener, const std::atomic<bool>* stop)
      : runs_(runs), models_(models), instruments_(instruments), listener_(listener), stop_(stop) {
    for (const TaskRun& run : runs_) {
      step_.done += run.items.size();
      step_.total += run.asked();
    }
  }

  std::string run() {
    for (TaskRun& run : runs_) {
      std::string failure = run_task(run);
      if (!failure.empty()) return failure;
    }
    return "";
  }

 private:
  struct InFlight {
    std::int64_t start_unix_ns = 0;
    EnergyShare share;
  };

  bool stopped() const { return stop_ != nullptr && stop_->load(std::memory_order_relaxed); }

  std::string run_task(TaskRun& run) {
    step_.run = static_cast<std::size_t>(&run - runs_.data());
    model_ = models_[run.subject];
    task_ = run.task->info().name;
    waiting_ = missing(run);
    next_ = 0;
    failure_.clear();
    flight_.clear();
    while (next_ < waiting_.size() || !flight_.empty()) {
      if (stopped()) return kInterrupted;
      std::string failure = run_window(run);
      if (stopped() && !failure.empty()) return kInterrupted;
      if (!failure.empty()) return failure;
    }
    return failure_;
  }

  static std::vector<std::size_t> missing(const TaskRun& run) {
    std::set<std::int64_t> there;
    for (const EvalItem& item : run.items) there.insert(item.result.doc_id);
    std::vector<std::size_t> documents;
    for (std::size_t document = 0; document < run.documents; ++document) {
      if (!run.shard.has(document)) continue;
      if (!there.contains(static_cast<std::int64_t>(document))) documents.push_back(document);
    }
    return documents;
  }

  // Clocks and meters around the model's work until somebody is answered; what is started is
  // stopped, also when the model throws. Returns why nobody was.
  std::string run_window(TaskRun& run) {
    const std::size_t joining = std::min(model_->places(), waiting_.size() - next_);
    for (std::size_t i = 0; i < joining; ++i) {
      step_.document = waiting_[next_ + i];
      listener_.on_start(step_);
    }
    const std::int64_t start_unix_ns = instruments_.unix_ns();
    Trial window;
    BatchAdvance advance;
    std::string failure;
    instruments_.start();
    const std::int64_t begin = instruments_.monotonic_ns();
    try {
      for (std::size_t i = 0; i < joining && failure_.empty(); ++i) {
        join(run, waiting_[next_++], start_unix_ns);
      }
      if (!flight_.empty()) advance = model_->advance();
    } catch (const std::exception& error) {
      failure = fmt::format("{}, {}: {}", task_, documents_in_flight(), error.what());
    } catch (...) {
      instruments_.stop(window);
      throw;
    }
    const std::int64_t elapsed_ns = instruments_.monotonic_ns() - begin;
    instruments_.stop(window);
    if (!failure.empty()) return failure;
    share_out(advance, window.energy, elapsed_ns);
    for (BatchAnswer& answer : advance.answered) {
      failure = finish(run, std::move(answer));
      if (!failure.empty()) return failure;
    }
    return "";
  }

  // A document that is refused is the last one; those in flight are answered.
  void join(const TaskRun& run, std::size_t document, std::int64_t start_unix_ns) {
    try {
      model_->submit(document, run.task->request(document));
    } catch (const std::exception& error) {
      failure_ = fmt::format("{}, document {}: {}", task_, document, error.what());
      next_ = waiting_.size();
      return;
    }
    flight_[document].start_unix_ns = start_unix_ns;
  }

  std::string documents_in_flight() const {
    std::string text;
    for (const auto& [document, there] : flight_) {
      text += fmt::format("{}{}", text.empty() ? "" : ", ", document);
    }
    return (flight_.size() == 1 ? "document " : "documents ") + text;
  }

  void share_out(const BatchAdvance& advance, const energy::EnergyDelta& energy,
                 std::int64_t elapsed_ns) {
    std::int64_t tokens = 0;
    int questions = 0;
    for (const auto& evaluated : advance.evaluated) {
      tokens += evaluated.tokens;
      questions += evaluated.tokens > 0 ? 1 : 0;
    }
    for (const auto& evaluated : advance.evaluated) {
      if (evaluated.tokens == 0) continue;
      const double share = static_cast<double>(evaluated.tokens) / static_cast<double>(tokens);
      flight_.at(evaluated.ticket).share.add(energy, elapsed_ns, share, questions);
    }
  }

  std::string finish(TaskRun& run, BatchAnswer answer) {
    const auto place = flight_.find(answer.ticket);
    const InFlight& there = place->second;
    EvalItem item;
    try {
      item.result = run.task->score(answer.ticket, std::move(answer.answer));
    } catch (const std::exception& error) {
      return fmt::format("{}, document {}: {}", task_, answer.ticket, error.what());
    }
    item.result.prompt_tokens = answer.prompt_tokens;
    item.result.new_tokens = answer.new_tokens;
    item.result.dropped_tokens = answer.dropped_tokens;
    item.start_unix_ns = there.start_unix_ns;
    item.elapsed_ns = there.share.elapsed_ns();
    item.tokens = answer.counts;
    item.energy = there.share.energy();
    item.company = there.share.questions();
    item.windows = there.share.windows();
    flight_.erase(place);
    listener_.on_item(step_.run, item);
    const auto behind = std::upper_bound(
        run.items.begin(), run.items.end(), item.result.doc_id,
        [](std::int64_t doc_id, const EvalItem& other) { return doc_id < other.result.doc_id; });
    run.items.insert(behind, std::move(item));
    ++step_.done;
    ++step_.done_here;
    return "";
  }

  std::vector<TaskRun>& runs_;
  std::span<BatchedModel* const> models_;
  Instruments& instruments_;
  EvalListener& listener_;
  const std::atomic<bool>* stop_;
  EvalStep step_;

  // Of the run that goes on.
  BatchedModel* model_ = nullptr;
  std::string_view task_;
  std::vector<std::size_t> waiting_;  // documents to ask for
  std::size_t next_ = 0;              // of them
  std::map<std::size_t, InFlight> flight_;
  std::string failure_;  // of a document that was refused
};

}  // namespace

std::string ask_all(std::vector<TaskRun>& runs, std::span<BatchedModel* const> models,
                    Instruments& instruments, EvalListener& listener,
                    const std::atomic<bool>* stop) {
  return Loop(runs, models, instruments, listener, stop).run();
}

std::string ask_all(std::vector<TaskRun>& runs, evals::LanguageModel& model,
                    const EngineModelCounts* counts, Instruments& instruments,
                    EvalListener& listener, const std::atomic<bool>* stop) {
  OneByOne one(model, counts);
  BatchedModel* const models[] = {&one};
  return ask_all(runs, models, instruments, listener, stop);
}

}  // namespace tern::harness
