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

// How a model reads a question.
struct Reader {
  std::shared_ptr<const engine::Tokenizer> tokenizer;
  SharedChatTemplate chat;
};

// In the order of the subjects to be: the model's own, or what is given for models without one, and
// where the baseline is another model, that model's.
struct Readers {
  Reader first, baseline;
};

Reader load_reader(const std::string& tokenizer, const std::string& chat, bool conversations) {
  Reader reader;
  reader.tokenizer = open_tokenizer(tokenizer);
  if (conversations) reader.chat = open_chat_template(chat, *reader.tokenizer);
  return reader;
}

Readers load_readers(const EvalOptions& options, bool conversations) {
  Readers readers;
  readers.first =
      load_reader(tokenizer_source(options), chat_template_source(options), conversations);
  const bool own = by_path(options.baseline) && !is_synthetic(options.baseline);
  readers.baseline =
      own ? load_reader(options.baseline, options.baseline, conversations) : readers.first;
  return readers;
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
std::int64_t longest_request(const Readers& readers, const EvalTasks& tasks,
                             const EvalOptions& options, std::int64_t context) {
  std::int64_t longest = 1;
  const auto look = [&](const Reader& reader, const evals::Request& request) {
    longest = std::max(longest,
                       positions_needed(*reader.tokenizer,
                                        evals::rendered(request, renderer(reader.chat)), context));
  };
  for (const auto& task : tasks) {
    for (std::size_t i = 0; i < limited(task->size(), options.limit) && longest < context; ++i) {
      const evals::Request request = task->request(i);
      look(readers.first, request);
      if (readers.baseline.tokenizer != readers.first.tokenizer) look(readers.baseline, request);
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

void load_models(EvalSubjects& subjects, const Readers& readers, const MemoryNeed& need,
                 const EvalOptions& options, const kernels::KernelTable& table,
                 engine::ThreadPool& pool) {
  Contenders contenders =
      load_contenders(options.model, options.baseline, need, table, pool, options.model_options);
  EvalSubject first;
  first.name = options.fp16_twin ? "baseline" : contenders.first_name();
  first.model = options.fp16_twin ? engine::Model::half_twin(*contenders.first, pool)
                                  : std::move(contenders.first);
  first.tokenizer = readers.first.tokenizer;
  first.chat = readers.first.chat;
  first.twin = options.fp16_twin;
  subjects.list.push_back(std::move(first));
  if (options.baseline != "none") subjects.no_baseline = contenders.no_baseline;
  for (Baseline& baseline : contenders.baselines) {
    EvalSubject subject;
    subject.name = baseline.name;
    subject.model = std::move(baseline.model);
    subject.tokenizer = readers.baseline.tokenizer;
    subject.chat = readers.baseline.chat;
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
  const Readers readers = load_readers(options, asks_in_conversations(tasks, options));
  const std::int64_t most = options.context > 0 ? options.context : kDefaultEvalContext;
  if (options.batch != 1) subjects.longest = longest_request(readers, tasks, options, most);
  if (options.batch > 0) {
    subjects.batch = std::min<std::int64_t>(options.batch, most_documents(tasks, options));
  }
  load_models(subjects, readers,
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
