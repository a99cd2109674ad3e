#include "harness/eval_subjects.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/kv_cache.h"
#include "harness/baselines.h"
#include "harness/contenders.h"
#include "harness/error.h"
#include "harness/open_tokenizer.h"
#include "harness/request_work.h"

namespace tern::harness {

namespace {

bool by_path(const std::string& baseline) {
  return baseline != "none" && named_twins(baseline).empty();
}

// In the order of the subjects to be: the model's own, or the one given for models without one, and
// where the baseline is another model, that model's.
struct Tokenizers {
  std::shared_ptr<const engine::Tokenizer> first, baseline;
};

Tokenizers load_tokenizers(const EvalOptions& options) {
  Tokenizers tokenizers;
  tokenizers.first = open_tokenizer(tokenizer_source(options));
  const bool own = by_path(options.baseline) && !is_synthetic(options.baseline);
  tokenizers.baseline = own ? open_tokenizer(options.baseline) : tokenizers.first;
  return tokenizers;
}

void check_contexts(const EvalSubjects& subjects, const EvalOptions& options,
                    const EvalTasks& tasks) {
  for (const EvalSubject& subject : subjects.list) {
    const std::int64_t longest = subject.model->config().context;
    if (subjects.context <= longest) continue;
    throw Error(fmt::format("--ctx-size: expected at most {} (the context of {}), got {}", longest,
                            subject.model->facts().spec, options.context));
  }
  for (const auto& task : tasks) {
    const evals::TaskInfo& info = task->info();
    if (subjects.context > info.most_new_tokens) continue;
    throw Error(
        fmt::format("{}: expected a context of more than the {} tokens it lets a model "
                    "generate, got {}",
                    info.name, info.most_new_tokens, subjects.context));
  }
}

std::int64_t common_context(const EvalSubjects& subjects, const EvalOptions& options) {
  if (options.context > 0) return options.context;
  std::int64_t context = kDefaultEvalContext;
  for (const EvalSubject& subject : subjects.list) {
    context = std::min<std::int64_t>(context, subject.model->config().context);
  }
  return context;
}

// Positions that the longest request takes, at most `context`.
std::int64_t longest_request(const Tokenizers& tokenizers, const EvalTasks& tasks,
                             const EvalOptions& options, std::int64_t context) {
  std::int64_t longest = 1;
  const auto look = [&](const engine::Tokenizer& tokenizer, const evals::Request& request) {
    longest = std::max(longest, positions_needed(tokenizer, request, context));
  };
  for (const auto& task : tasks) {
    for (std::size_t i = 0; i < limited(task->size(), options.limit) && longest < context; ++i) {
      const evals::Request request = task->request(i);
      look(*tokenizers.first, request);
      if (tokenizers.baseline != tokenizers.first) look(*tokenizers.baseline, request);
    }
  }
  return longest;
}

// As many as keep a quarter of the memory that is left for caches.
std::int64_t automatic_batch(const EvalSubjects& subjects, const EvalOptions& options) {
  std::int64_t each = 0;
  for (const EvalSubject& subject : subjects.list) {
    each += engine::KvCache::bytes_needed(subject.model->config(), 1, subjects.longest,
                                          options.cache_k, options.cache_v);
  }
  return std::clamp<std::int64_t>(engine::available_memory_bytes() / 4 / each, 1, kMostAutoBatch);
}

std::int64_t most_documents(const EvalTasks& tasks, const EvalOptions& options) {
  std::size_t most = 1;
  for (const auto& task : tasks) most = std::max(most, limited(task->size(), options.limit));
  return static_cast<std::int64_t>(most);
}

void load_models(EvalSubjects& subjects, const Tokenizers& tokenizers, const MemoryNeed& need,
                 const EvalOptions& options, const kernels::KernelTable& table,
                 engine::ThreadPool& pool) {
  Contenders contenders =
      load_contenders(options.model, options.baseline, need, table, pool, options.model_options);
  EvalSubject first;
  first.name = options.fp16_twin ? "baseline" : contenders.first_name();
  first.model = options.fp16_twin ? engine::Model::half_twin(*contenders.first, pool)
                                  : std::move(contenders.first);
  first.tokenizer = tokenizers.first;
  first.twin = options.fp16_twin;
  subjects.list.push_back(std::move(first));
  if (options.baseline != "none") subjects.no_baseline = contenders.no_baseline;
  for (Baseline& baseline : contenders.baselines) {
    EvalSubject subject;
    subject.name = baseline.name;
    subject.model = std::move(baseline.model);
    subject.tokenizer = tokenizers.baseline;
    subject.twin = !by_path(options.baseline);
    subjects.list.push_back(std::move(subject));
  }
}

// A twin is made of the files of the first model.
void digest_files(EvalSubjects& subjects, const EvalOptions& options) {
  for (EvalSubject& subject : subjects.list) {
    const bool other = &subject != &subjects.list.front() && by_path(options.baseline);
    const std::string& model = other ? options.baseline : options.model;
    if (!is_synthetic(model)) subject.files = digest_model(model);
    if (options.tokenizer.empty() || (other && !is_synthetic(model))) continue;
    subject.tokenizer_files = digest_model(options.tokenizer);
  }
}

}  // namespace

EvalSubjects load_eval_subjects(const EvalOptions& options, const EvalTasks& tasks,
                                const kernels::KernelTable& table, engine::ThreadPool& pool) {
  EvalSubjects subjects;
  const Tokenizers tokenizers = load_tokenizers(options);
  const std::int64_t most = options.context > 0 ? options.context : kDefaultEvalContext;
  if (options.batch != 1) subjects.longest = longest_request(tokenizers, tasks, options, most);
  if (options.batch > 0) {
    subjects.batch = std::min<std::int64_t>(options.batch, most_documents(tasks, options));
  }
  load_models(subjects, tokenizers,
              {.positions = options.batch != 1 ? subjects.longest : most,
               .sequences = subjects.batch,
               .cache_k = options.cache_k,
               .cache_v = options.cache_v},
              options, table, pool);
  subjects.context = common_context(subjects, options);
  check_contexts(subjects, options, tasks);
  if (options.batch == 0) {
    subjects.batch = std::min(automatic_batch(subjects, options), most_documents(tasks, options));
  }
  digest_files(subjects, options);
  return subjects;
}

}  // namespace tern::harness
