#include "harness/engine_model.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/logits.h"
#include "engine/thread_pool.h"
#include "harness/error.h"
#include "harness/options.h"
#include "tests/harness/byte_tokenizer.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;
using Ids = std::vector<int>;

const std::string kOracle = std::string(TERN_SOURCE_DIR) + "/../shared/oracle/";

struct Setting {
  int threads = 1;
  std::int64_t ubatch = 512;
  std::int64_t context = 256;
  std::int64_t batch = 1;
  std::int64_t longest = 0;
};

// synth:tiny behind the interface, with its own pool.
struct Rig {
  explicit Rig(Setting setting = {}, const std::atomic<bool>* stop = nullptr)
      : pool({.threads = setting.threads, .pin = false}),
        model(engine::Model::load("synth:tiny", kernels_row(""), pool)),
        options{.context = setting.context, .ubatch = setting.ubatch, .sequences = setting.batch},
        language(model, std::make_shared<ByteTokenizer>(), pool, options, stop, setting.longest) {}

  evals::Likelihood one(const std::string& context, const std::string& continuation) {
    return language.log_likelihoods(context, std::vector{continuation}).front();
  }

  engine::ThreadPool pool;
  std::shared_ptr<const engine::Model> model;
  engine::SessionOptions options;
  EngineModel language;
};

evals::GenerationLimits at_most(std::int64_t tokens) {
  evals::GenerationLimits limits;
  limits.max_tokens = tokens;
  return limits;
}

double log_probability(std::span<const float> logits, int token) {
  return engine::softmax(logits, kernels_row("scalar").vector)
      .log_probability(logits[static_cast<std::size_t>(token)]);
}

std::vector<json> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<json> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(json::parse(line));
  }
  if (lines.empty()) WARN("no vectors at " << path);
  return lines;
}

TEST_CASE("a prompt begins with BOS once") {
  const ByteTokenizer tokenizer;
  CHECK(encode_prompt(tokenizer, "x") == Ids{510, 'x'});
  CHECK(encode_prompt(tokenizer, "<bos>x") == Ids{510, 'x'});
  CHECK(encode_prompt(tokenizer, "") == Ids{510});
}

TEST_CASE("a pair is split as lm-evaluation-harness splits it") {
  const ByteTokenizer tokenizer;
  const auto pair = [&](const char* context, const char* continuation) {
    const EncodedPair p = encode_pair(tokenizer, context, continuation);
    return std::pair(p.context, p.continuation);
  };
  CHECK(pair("x", " y") == std::pair(Ids{510, 'x'}, Ids{' ', 'y'}));
  CHECK(pair("x \n", "y") == std::pair(Ids{510, 'x'}, Ids{' ', '\n', 'y'}));
  CHECK(pair("xa", "b") == std::pair(Ids{510, 'x', 'a'}, Ids{}));  // "ab" is one token
  CHECK(pair("xa", "bc") == std::pair(Ids{510, 'x', 'a'}, Ids{'c'}));
  CHECK(pair("", "y") == std::pair(Ids{510}, Ids{'y'}));
  CHECK(pair("", "<bos>y") == std::pair(Ids{510}, Ids{'y'}));
  CHECK(pair("<bos>x", "y") == std::pair(Ids{510, 'x'}, Ids{'y'}));
}

// As lm-evaluation-harness does, BOS is judged too, behind another one; later windows begin with as
// many tokens of the text as the context takes, and without BOS.
TEST_CASE("a long text is judged window by window") {
  Rig rig({.context = 8});
  const std::vector<evals::Likelihood> windows = rig.language.rolling_log_likelihoods("cdefghijkl");
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].tokens == 8);
  CHECK(windows[1].tokens == 3);
  CHECK(windows[0].log_likelihood == rig.one("", "<bos><bos>cdefghi").log_likelihood);
  CHECK(windows[1].log_likelihood == rig.one("defghi", "jkl").log_likelihood);
  const EncodedPair first = encode_windows(ByteTokenizer(), "cdefghijkl", 8).at(0);
  CHECK(first.context == Ids{510});
  CHECK(first.continuation == Ids{510, 'c', 'd', 'e', 'f', 'g', 'h', 'i'});
  CHECK(rig.language.rolling_log_likelihoods("cdefghi").size() == 1);
}

TEST_CASE("log-probabilities are those of a softmax, whatever the spread") {
  const std::vector<float> logits = {1.5f, -2.25f, 8.0f, 7.875f, 0.0f};
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x} - 8.0);
  for (int i = 0; i < 5; ++i) {
    const double expected = double{logits[static_cast<std::size_t>(i)]} - 8.0 - std::log(sum);
    CHECK(log_probability(logits, i) == Approx(expected).epsilon(1e-14));
  }
  const std::vector<float> far = {0.0f, -5000.0f, -1e30f};
  CHECK(log_probability(far, 0) == 0.0);
  CHECK(log_probability(far, 1) == -5000.0);
}

TEST_CASE("a likelihood is the sum over the continuation's tokens") {
  Rig rig;
  const std::string context = "Question: why?\nAnswer:";
  const std::string continuation = " because ab";
  const EncodedPair pair = encode_pair(ByteTokenizer(), context, continuation);
  engine::Session session(rig.model, rig.pool, rig.options);
  Ids tokens = pair.context;
  tokens.insert(tokens.end(), pair.continuation.begin(), pair.continuation.end());
  const auto first = std::ssize(pair.context);
  double expected = 0;
  session.prefill_all(tokens, [&](std::int64_t i, std::span<const float> logits) {
    const std::int64_t next = i + 1;
    if (next >= first && next < std::ssize(tokens)) {
      expected += log_probability(logits, tokens[static_cast<std::size_t>(next)]);
    }
  });
  const evals::Likelihood got = rig.one(context, continuation);
  CHECK(got.log_likelihood == expected);
  CHECK(got.tokens == std::ssize(pair.continuation));
  CHECK(!got.greedy);
  CHECK(expected < 0);
}

TEST_CASE("greedy means that every token was the most likely one") {
  Rig rig;
  engine::Session session(rig.model, rig.pool, rig.options);
  const int top = engine::argmax(session.prefill(encode_prompt(ByteTokenizer(), "x")));
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    const EncodedPair pair = encode_pair(ByteTokenizer(), "x", text);
    CHECK(rig.one("x", text).greedy == (pair.continuation == Ids{top}));
  }
}

TEST_CASE("answers do not depend on the cache, on threads or on batches") {
  const std::vector<std::string> contexts = {
      "Question: a\nAnswer:", "Question: b\nAnswer:", "Question: b\nAnswer: and more", "x",
      "Question: b\nAnswer:"};
  const std::vector<std::string> continuations = {" one way", " one other way", " z"};
  Rig kept;
  for (const std::string& context : contexts) {
    const auto together = kept.language.log_likelihoods(context, continuations);
    const evals::Generation text = kept.language.generate(context, at_most(12));
    for (const Setting setting : {Setting{}, Setting{.threads = 2}, Setting{.ubatch = 3}}) {
      Rig fresh(setting);
      for (std::size_t i = 0; i < continuations.size(); ++i) {
        CHECK(fresh.one(context, continuations[i]).log_likelihood == together[i].log_likelihood);
      }
      CHECK(fresh.language.generate(context, at_most(12)).text == text.text);
    }
  }
  CHECK(kept.language.counts().reused_tokens > 0);
  Rig fresh;
  fresh.one("x", "y");
  CHECK(fresh.language.counts().reused_tokens == 0);
}

// Everything that was answered, in the order of the requests.
struct Batch {
  std::vector<BatchAnswer> answers;
  std::size_t most_in_flight = 0;
  std::int64_t evaluated = 0;
};

Batch answer_all(EngineModel& model, std::span<const evals::Request> requests) {
  Batch batch;
  batch.answers.resize(requests.size());
  const std::size_t all = model.places();
  for (std::size_t next = 0, done = 0; done < requests.size();) {
    while (model.places() > 0 && next < requests.size()) {
      model.submit(next, requests[next]);
      ++next;
    }
    batch.most_in_flight = std::max(batch.most_in_flight, all - model.places());
    BatchAdvance advance = model.advance();
    for (const auto& evaluated : advance.evaluated) batch.evaluated += evaluated.tokens;
    done += advance.answered.size();
    for (BatchAnswer& answer : advance.answered) {
      batch.answers.at(answer.ticket) = std::move(answer);
    }
  }
  return batch;
}

std::vector<evals::Request> choices(int count) {
  std::vector<evals::Request> requests;
  for (int i = 0; i < count; ++i) {
    // Ragged, some with much in common, some with one continuation that is the beginning of another
    // one or the same.
    const std::string context =
        "Question: " + std::string(static_cast<std::size_t>(i * 7 % 23), 'q') +
        (i % 3 == 0 ? "\nAnswer:" : " and then\nAnswer:");
    requests.push_back(
        evals::ChoiceRequest{context,
                             {" take the lid off", " take the lid " + std::to_string(i), " no",
                              " take", " take", i % 2 == 0 ? " x" : " take the lid off and on"}});
  }
  return requests;
}

std::vector<evals::Request> texts(int count) {
  std::vector<evals::Request> requests;
  for (int i = 0; i < count; ++i) {
    requests.push_back(evals::TextRequest{
        "Once " + std::string(static_cast<std::size_t>(i * 5 % 17), 'o') + std::to_string(i),
        {.until = {"zq"}, .max_tokens = 3 + i * 11 % 29}});
  }
  return requests;
}

TEST_CASE("batches of any size answer as single requests do") {
  // Small micro-batches too: then a prompt takes several passes, and others join in the middle.
  const auto setting = GENERATE(Setting{.batch = 3}, Setting{.batch = 16},
                                Setting{.threads = 2, .ubatch = 5, .batch = 3},
                                Setting{.threads = 2, .ubatch = 20, .batch = 16, .longest = 100});
  CAPTURE(setting.threads, setting.ubatch, setting.batch);
  for (const auto& requests : {choices(20), texts(20)}) {
    Rig one, many(setting);
    const Batch alone = answer_all(one.language, requests);
    const Batch together = answer_all(many.language, requests);
    CHECK(alone.most_in_flight == 1);
    CHECK(together.most_in_flight == static_cast<std::size_t>(setting.batch));
    CHECK(together.evaluated == many.language.counts().evaluated_tokens);
    std::int64_t evaluated = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      CAPTURE(i);
      const BatchAnswer &a = alone.answers[i], &b = together.answers[i];
      evaluated += b.counts.evaluated_tokens;
      if (const auto* text = std::get_if<std::string>(&a.answer)) {
        CHECK(*text == std::get<std::string>(b.answer));
        CHECK(a.new_tokens == b.new_tokens);
        CHECK(a.prompt_tokens == b.prompt_tokens);
        continue;
      }
      const auto& first = std::get<evals::ChoiceAnswer>(a.answer);
      const auto& second = std::get<evals::ChoiceAnswer>(b.answer);
      REQUIRE(first.size() == second.size());
      for (std::size_t c = 0; c < first.size(); ++c) {
        CHECK(first[c].log_likelihood == second[c].log_likelihood);
        CHECK(first[c].greedy == second[c].greedy);
        CHECK(first[c].tokens == second[c].tokens);
      }
    }
    CHECK(evaluated == together.evaluated);
  }
}

TEST_CASE("continuations are judged as if each were the only one") {
  Rig together;
  for (const evals::Request& request : choices(5)) {
    const auto& choice = std::get<evals::ChoiceRequest>(request);
    const auto all = together.language.log_likelihoods(choice.context, choice.continuations);
    for (std::size_t c = 0; c < all.size(); ++c) {
      Rig fresh;
      const evals::Likelihood one = fresh.one(choice.context, choice.continuations[c]);
      CHECK(one.log_likelihood == all[c].log_likelihood);
      CHECK(one.greedy == all[c].greedy);
    }
  }
}

TEST_CASE("one continuation is judged behind each context as behind it alone") {
  Rig rig;
  const std::vector<std::string> contexts = {"The door", "The window was", "The door was",
                                             "The door"};
  rig.language.submit(3, evals::ContextsRequest{contexts, " shut"});
  const BatchAdvance advance = rig.language.advance();
  const auto& answer = std::get<evals::ChoiceAnswer>(advance.answered.at(0).answer);
  REQUIRE(answer.size() == contexts.size());
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    Rig fresh;
    CHECK(answer[i].log_likelihood == fresh.one(contexts[i], " shut").log_likelihood);
    CHECK(answer[i].tokens == 5);
  }
}

TEST_CASE("a text of any length is judged from its first token on, in windows") {
  const std::string text = "It rained, and the river rose over the meadow.";
  Ids tokens = {
      ByteTokenizer::kBos};  // what stands before the first token judged, which is BOS too
  for (const int id : encode_prompt(ByteTokenizer(), text)) tokens.push_back(id);
  Rig whole;
  engine::Session session(whole.model, whole.pool, whole.options);
  double expected = 0;
  session.prefill_all(tokens, [&](std::int64_t i, std::span<const float> logits) {
    if (i + 1 == std::ssize(tokens)) return;
    expected += log_probability(logits, tokens[static_cast<std::size_t>(i) + 1]);
  });
  const std::vector<evals::Likelihood> all = whole.language.rolling_log_likelihoods(text);
  REQUIRE(all.size() == 1);
  CHECK(all[0].log_likelihood == expected);
  CHECK(all[0].tokens == std::ssize(tokens) - 1);

  std::vector<evals::Request> requests;
  for (int i = 0; i < 5; ++i)
    requests.push_back(
        evals::RollingRequest{text + std::string(static_cast<std::size_t>(i * 9), 'x')});
  Rig one({.context = 16}), many({.context = 16, .batch = 3});
  const Batch alone = answer_all(one.language, requests);
  const Batch together = answer_all(many.language, requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto& a = std::get<evals::ChoiceAnswer>(alone.answers[i].answer);
    const auto& b = std::get<evals::ChoiceAnswer>(together.answers[i].answer);
    REQUIRE(a.size() == b.size());
    std::int64_t judged = 0;
    for (std::size_t w = 0; w < a.size(); ++w) {
      CHECK(a[w].log_likelihood == b[w].log_likelihood);
      judged += b[w].tokens;
    }
    CHECK(judged == std::ssize(tokens) - 1 + static_cast<std::int64_t>(i) * 9);
  }
}

TEST_CASE("a context is evaluated once, and so is what continuations begin with") {
  Rig rig;
  const std::string context(40, 'c');
  const std::vector<std::string> both = {" leave it on", " leave it off"};
  rig.language.log_likelihoods(context, both);
  // BOS, the context, " leave it on" without its last token, and "ff" without its last.
  CHECK(rig.language.counts().evaluated_tokens == 1 + 40 + 11 + 1);
  CHECK(rig.language.counts().reused_tokens == 1 + 40 + 11);
}

TEST_CASE("a long prompt that several requests begin with is evaluated once") {
  const std::string examples(127, 'e');  // with BOS two micro-batches
  std::vector<evals::Request> requests;
  for (int i = 0; i < 6; ++i) {
    requests.push_back(
        evals::TextRequest{examples + std::to_string(i), {.until = {}, .max_tokens = 2}});
  }
  Rig rig({.ubatch = 64, .batch = 4});
  const Batch batch = answer_all(rig.language, requests);
  // Each has its own last token, and the one that was generated first.
  CHECK(batch.evaluated == 1 + 127 + 6 * 2);
  CHECK(rig.language.counts().reused_tokens == 5 * (1 + 127));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Rig fresh;
    const auto& text = std::get<evals::TextRequest>(requests[i]);
    CHECK(std::get<std::string>(batch.answers[i].answer) ==
          fresh.language.generate(text.prompt, text.limits).text);
  }
}

TEST_CASE("a request that is refused leaves the others in flight") {
  Rig rig({.context = 64, .batch = 2});
  rig.language.submit(7, evals::TextRequest{"Once", {.until = {}, .max_tokens = 3}});
  CHECK_THROWS_WITH(rig.language.submit(8, evals::ChoiceRequest{"xa", {"b"}}),
                    Contains("no tokens of its own"));
  CHECK_THROWS_WITH(rig.language.submit(8, evals::ChoiceRequest{"x", {}}),
                    Contains("at least one continuation"));
  CHECK(rig.language.places() == 1);
  const BatchAdvance advance = rig.language.advance();
  REQUIRE(advance.answered.size() == 1);
  CHECK(advance.answered[0].ticket == 7);
  Rig fresh;
  CHECK(std::get<std::string>(advance.answered[0].answer) ==
        fresh.language.generate("Once", at_most(3)).text);
}

TEST_CASE("generation ends at a stop string, at the limit, and not before") {
  Rig rig;
  const evals::Generation all = rig.language.generate("Once", at_most(40));
  REQUIRE(all.new_tokens == 40);
  CHECK(all.prompt_tokens == 5);
  CHECK(all.dropped_tokens == 0);
  // Any piece of plain text in the middle will do as a stop string.
  std::size_t at = 3;
  while (at + 3 < all.text.size() &&
         std::any_of(all.text.begin() + static_cast<std::ptrdiff_t>(at),
                     all.text.begin() + static_cast<std::ptrdiff_t>(at) + 3,
                     [](char c) { return c < ' '; })) {
    ++at;
  }
  REQUIRE(at + 3 < all.text.size());
  const std::string stop = all.text.substr(at, 3);
  const evals::Generation cut =
      rig.language.generate("Once", {.until = {"never there", stop}, .max_tokens = 40});
  CHECK(cut.text == all.text.substr(0, all.text.find(stop)));
  CHECK(cut.new_tokens < 40);

  // So does the text of EOS, spelled out in ordinary tokens.
  EngineModel spelling(rig.model, std::make_shared<ByteTokenizer>(512, stop), rig.pool,
                       rig.options);
  CHECK(spelling.generate("Once", at_most(40)).text == cut.text);
}

TEST_CASE("what is longer than the context is cut from the left, and counted") {
  Rig rig({.context = 32});
  const std::string prompt = "0123456789012345678901234567890123456789";  // 41 tokens with BOS
  const evals::Generation text = rig.language.generate(prompt, at_most(8));
  CHECK(text.prompt_tokens == 24);
  CHECK(text.dropped_tokens == 17);
  const evals::Likelihood likelihood = rig.one(prompt, "xyz");  // 41 + 3, of which 33 stay
  CHECK(likelihood.tokens == 3);
  CHECK(rig.language.counts().truncated_prompts == 2);
  CHECK(rig.language.counts().dropped_tokens == 17 + 11);
  // Only what was left can have mattered.
  Rig other({.context = 32});
  CHECK(other.one("###" + prompt, "xyz").log_likelihood == likelihood.log_likelihood);
}

TEST_CASE("what cannot be answered is refused in a sentence") {
  Rig rig({.context = 16});
  CHECK_THROWS_WITH(rig.one("xa", "b"), Contains("no tokens of its own"));
  CHECK_THROWS_WITH(rig.one("x", "a continuation that is too long"),
                    Contains("at most 16 tokens") && Contains("got 31"));
  CHECK_THROWS_WITH(rig.language.generate("x", at_most(16)), Contains("more than the 16 tokens"));
  CHECK(rig.one("x", "y").tokens == 1);  // and it goes on
  CHECK_THROWS_WITH(EngineModel(rig.model, std::make_shared<ByteTokenizer>(500), rig.pool, {}),
                    Contains("do not belong together"));
  const evals::TextRequest conversation{"", at_most(1), {{"user", "x"}}};
  CHECK_THROWS_WITH(rig.language.submit(0, conversation), Contains("expected a chat template"));
}

TEST_CASE("a request stops soon after it is asked to") {
  std::atomic<bool> stop{false};
  Rig rig({}, &stop);
  const double before = rig.one("x", "y").log_likelihood;
  stop = true;
  CHECK_THROWS_WITH(rig.one("x", "z"), Contains("interrupted"));
  CHECK_THROWS_WITH(rig.language.generate("x", at_most(8)), Contains("interrupted"));
  stop = false;
  CHECK(rig.one("x", "y").log_likelihood == before);
}

TEST_CASE("the oracle's pairs are split alike") {
  const std::string vocabulary = kOracle + "tokenizer/llama3-vocab.gguf";
  if (!std::ifstream(vocabulary)) {
    WARN("no vocabulary at " << vocabulary);
    return;
  }
  const auto tokenizer = engine::load_tokenizer(vocabulary);
  for (const json& line : lines_of(kOracle + "evals/encode_pair_cases.jsonl")) {
    const EncodedPair pair = encode_pair(*tokenizer, line["context"].get<std::string>(),
                                         line["continuation"].get<std::string>());
    INFO(line.dump());
    CHECK(pair.context == line["context_ids"].get<Ids>());
    CHECK(pair.continuation == line["continuation_ids"].get<Ids>());
  }
  for (const json& line : lines_of(kOracle + "evals/piqa_pairs.jsonl")) {
    INFO(line.dump());
    for (std::size_t i = 0; i < 2; ++i) {
      const EncodedPair pair = encode_pair(*tokenizer, line["context"].get<std::string>(),
                                           line["continuations"][i].get<std::string>());
      CHECK(pair.context == line["context_ids"].get<Ids>());
      CHECK(pair.continuation == line["continuation_ids"][i].get<Ids>());
    }
  }
}

// Where both float32 orders of the reference agree with binary64, no int8 rounding is near a tie
// and ours must agree, too.
TEST_CASE("the oracle's log-likelihoods come out") {
  const std::string folder = kOracle + "models/tiny-a/";
  std::ifstream file(folder + "tiny-a.expected.json");
  if (!file) {
    WARN("no model at " << folder);
    return;
  }
  engine::ThreadPool pool({.threads = 1, .pin = false});
  const std::string path = folder + "tiny-a.i2_s.gguf";
  EngineModel language(engine::Model::load(path, kernels_row(""), pool),
                       engine::load_tokenizer(path), pool,
                       {.cache_k = kernels::CacheType::kF32, .cache_v = kernels::CacheType::kF32});
  int stable = 0;
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // Elsewhere in the file stand Python's infinities, which are no JSON.
  for (std::size_t at; (at = text.find("Infinity")) != std::string::npos;) {
    text.replace(at, 8, "null");
  }
  const json expectations = json::parse(text).at("loglikelihood");
  for (const json& entry : expectations) {
    const auto context = entry["context"].get<std::string>();
    for (const json& choice : entry["conts"]) {
      const auto continuation = choice["text"].get<std::string>();
      const double expected = choice["f64"]["loglikelihood"];
      const evals::Likelihood got =
          language.log_likelihoods(context, std::vector{continuation}).front();
      CHECK(got.tokens == std::ssize(choice["cont_ids"]));
      CHECK(got.log_likelihood == Approx(expected).margin(5));
      const auto distance = [&](const char* order) {
        return std::abs(choice[order]["loglikelihood"].get<double>() - expected);
      };
      if (distance("f32hf") > 1e-3 || distance("f32int") > 1e-3) continue;
      ++stable;
      CHECK(got.log_likelihood == Approx(expected).margin(2e-3).epsilon(0));
      CHECK(got.greedy == choice["f64"]["is_greedy"].get<bool>());
    }
  }
  CHECK(stable >= 2);
}

}  // namespace
}  // namespace tern::harness
