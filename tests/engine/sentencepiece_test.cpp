// SentencePiece vocabularies: the file formats, the algorithms against their definitions, spaces,
// bytes, and what is refused.
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "engine/tokenizer/piece_encoder.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/refusal.h"
#include "tests/engine/sentencepiece_fixture.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;
using Catch::Matchers::Contains;
using F = SentencePieceFixture;
using Ids = std::vector<int>;
using nlohmann::json;

namespace {

std::unique_ptr<Tokenizer> from_json(const json& document) {
  const TemporaryFolder folder;
  return load_tokenizer(folder.write("tokenizer.json", document.dump()));
}

std::unique_ptr<Tokenizer> from_gguf(const F& vocabulary) {
  const TemporaryFolder folder;
  vocabulary.write_gguf(folder / "v.gguf");
  return load_tokenizer(folder / "v.gguf");
}

std::unique_ptr<Tokenizer> from_model(const std::string& bytes) {
  const TemporaryFolder folder;
  return load_tokenizer(folder.write("tokenizer.model", bytes));
}

std::vector<std::unique_ptr<Tokenizer>> all_of(const F& vocabulary) {
  std::vector<std::unique_ptr<Tokenizer>> all;
  all.push_back(from_gguf(vocabulary));
  all.push_back(from_json(vocabulary.json()));
  all.push_back(from_model(vocabulary.model()));
  return all;
}

std::string refused_json(const std::function<void(json&)>& change) {
  json document = F().json();
  change(document);
  return message_of([&] { from_json(document); });
}

std::string refused_gguf(const std::function<void(F&)>& change) {
  F vocabulary;
  change(vocabulary);
  return message_of([&] { from_gguf(vocabulary); });
}

Ids bytes(std::initializer_list<int> values) {
  Ids ids;
  for (const int value : values) ids.push_back(F::kBytes + value);
  return ids;
}

Ids operator+(Ids a, const Ids& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("one SentencePiece vocabulary, three files, the same ids", "[tokenizer]") {
  const F v;
  for (const auto& t : all_of(v)) {
    INFO(t->description());
    const int space = v.id("\u2581");
    CHECK(t->vocab() == std::ssize(v.pieces));
    CHECK(t->bos() == F::kBos);
    CHECK(t->eos() == F::kEos);
    CHECK(t->add_bos());
    CHECK_FALSE(t->add_eos());
    CHECK(t->encode("", false).empty());
    CHECK(t->encode("hello world", false) == Ids{space, v.id("hello"), v.id("\u2581world")});
    CHECK(t->encode("hell", false) == Ids{space, v.id("hell")});
    CHECK(t->encode(" world", false) == Ids{space, v.id("\u2581world")});
    CHECK(t->encode("world", false) == Ids{v.id("\u2581world")});
    CHECK(t->encode("\u4e2d\u6587x", false) ==
          Ids{space, v.id("\u4e2d")} + bytes({0xe6, 0x96, 0x87, 'x'}));
    CHECK(t->encode("\xff\xe4", false) == Ids{space} + bytes({0xff, 0xe4}));
    CHECK(t->encode("\n", false) == Ids{space} + bytes({'\n'}));
    // Unless asked for, the text of special tokens is plain text.
    CHECK(t->encode("<s>", false) == Ids{space} + bytes({'<', 's', '>'}));
    CHECK(t->encode("<0x41>", false) == Ids{space} + bytes({'<', '0', 'x', '4', '1', '>'}));
    CHECK(t->encode("he</s>world<added>he", true) ==
          Ids{space, v.id("he"), F::kEos, v.id("\u2581world"), v.id("<added>"), space, v.id("he")});
  }
}

TEST_CASE("SentencePiece without a space in front", "[tokenizer]") {
  F v;
  v.prefix = false;
  for (const auto& t : all_of(v)) {
    INFO(t->description());
    CHECK(t->encode("hello world", false) == Ids{v.id("hello"), v.id("\u2581world")});
    CHECK(t->encode(" world", false) == Ids{v.id("\u2581world")});
    CHECK(t->decode(t->encode(" world", false), false) == " world");
  }
}

TEST_CASE("SentencePiece decodes spaces, bytes and special tokens", "[tokenizer]") {
  const F v;
  for (const auto& t : all_of(v)) {
    INFO(t->description());
    for (const std::string text : {"hello world", "  he  ", "\u4e2d\u6587\n", "\xff", " "})
      CHECK(t->decode(t->encode(text, false), false) == text);
    const Ids ids = {F::kBos, v.id("\u2581world"), v.id("\u2581world"), F::kEos};
    CHECK(t->decode(ids, false) == "<s> world world</s>");
    CHECK(t->decode(ids, true) == "world world");
    CHECK(t->piece(v.id("\u2581world"), true) == " world");
    CHECK(t->piece(F::kBytes + 0xe4, true) == "\xe4");
    CHECK(t->piece(F::kEos, true).empty());
    CHECK(t->piece(F::kEos, false) == "</s>");
    CHECK_THROWS_WITH(t->decode({t->vocab()}, false), Contains("expected an id of the tokenizer"));
  }
}

TEST_CASE("where a space is put in front is the file's to say", "[tokenizer]") {
  const F v;
  json document = v.json();
  document["normalizer"] = nullptr;
  const auto with = [&](const json& metaspace) {
    document["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
    document["pre_tokenizer"].update(metaspace);
    return from_json(document);
  };
  const int space = v.id("\u2581"), world = v.id("\u2581world"), he = v.id("he");
  const auto first = with({{"prepend_scheme", "first"}, {"split", false}});
  CHECK(first->encode("world", false) == Ids{world});
  CHECK(first->encode(" world", false) == Ids{world});
  CHECK(first->encode("he<added>he", false) == Ids{space, he, v.id("<added>"), he});
  CHECK(first->encode("<added>he", false) == Ids{v.id("<added>"), he});
  const auto always = with({{"prepend_scheme", "always"}, {"split", false}});
  CHECK(always->encode("he<added>he", false) == Ids{space, he, v.id("<added>"), space, he});
  CHECK(always->encode(" world", false) == Ids{world});
  CHECK(with({{"add_prefix_space", true}, {"split", false}})->encode("world", false) == Ids{world});
  for (const json& none : {json{{"prepend_scheme", "never"}}, json{{"add_prefix_space", false}}})
    CHECK(with(none)->encode("he", false) == Ids{he});
  // Words are merged by themselves unless the file says otherwise: no two spaces in one token.
  const int two = v.id("\u2581\u2581");
  CHECK(with({{"split", false}})->encode("  he", false) == Ids{two, he});
  CHECK(with(json::object())->encode("  he", false) == Ids{space, space, he});
}

TEST_CASE("normalised special tokens are looked for behind the normalizer", "[tokenizer]") {
  const F v;
  json document = v.json();
  document["added_tokens"].back()["normalized"] = true;  // then it begins with a space itself
  const auto t = from_json(document);
  const int added = v.id("<added>");
  CHECK(t->encode("<added>", false) == Ids{added});
  CHECK(t->encode("he <added>", false) == Ids{v.id("\u2581"), v.id("he"), added});
  CHECK(t->encode("he<added>", false).size() > 3);
}

TEST_CASE("added tokens of spaces stand for spaces", "[tokenizer]") {
  F v;
  v.pieces.push_back({"\u2581\u2581\u2581", 0, 4});
  const int three = v.id("\u2581\u2581\u2581");
  v.prefix = false;
  CHECK(from_gguf(v)->encode("he   he", false) == Ids{v.id("he"), three, v.id("he")});
  for (const auto& t : all_of(v)) CHECK(t->decode({three}, false) == "   ");
}

TEST_CASE("without byte tokens, what has no piece is the unknown token", "[tokenizer]") {
  F v;
  for (F::Piece& piece : v.pieces) {
    if (piece.type == 6) piece.type = 5;
  }
  const Ids expected = {v.id("\u2581"), v.id("he"), F::kUnknown, v.id("he"), F::kUnknown};
  CHECK(from_gguf(v)->encode("hexyzhex", false) == expected);
  json document = F().json();
  document["model"]["byte_fallback"] = false;
  CHECK(from_json(document)->encode("hexyzhex", false) == expected);
  document["model"]["fuse_unk"] = false;
  CHECK(from_json(document)->encode("hexyzhex", false).size() == 7);
  document["model"].erase("unk_token");
  CHECK_THROWS_WITH(from_json(document)->encode("hex", false),
                    "text: expected characters that the vocabulary has tokens for, got 'x'");
}

TEST_CASE("a piece that training left out is taken apart again", "[tokenizer]") {
  F v;
  v.pieces[static_cast<std::size_t>(v.id("hell"))].type = 5;
  v.prefix = false;
  CHECK(from_gguf(v)->encode("hell", false) == Ids{v.id("he"), v.id("ll")});
  CHECK(from_gguf(v)->encode("hello", false) == Ids{v.id("hello")});
}

// ---- The algorithms.

namespace {

// Text and pieces of a few letters, also in two bytes each; no byte tokens.
Vocabulary random_vocabulary(std::mt19937& random, int pieces) {
  static const std::vector<std::string> letters = {"a", "b", "c", "\u00e9", " "};
  Vocabulary v;
  std::map<std::string, int> known;
  v.tokens.push_back({"<unk>", TokenKind::kControl});
  v.unknown = 0;
  v.fuse_unknown = true;
  while (std::ssize(v.tokens) <= pieces) {
    std::string text;
    for (auto i = random() % 4 + 1; i > 0; --i) text += letters[random() % letters.size()];
    if (!known.emplace(text, 0).second) continue;
    // Few scores, so that ties happen.
    const auto score = -static_cast<float>(random() % 8) / 4;
    v.tokens.push_back({text, TokenKind::kNormal, true, false, score});
  }
  return v;
}

std::vector<std::string> random_letters(std::mt19937& random, std::size_t longest) {
  static const std::vector<std::string> letters = {"a", "b", "c", "\u00e9", " ", "x"};
  std::vector<std::string> text;
  for (auto i = random() % (longest + 1); i > 0; --i)
    text.push_back(letters[random() % letters.size()]);
  return text;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

int find(const Vocabulary& v, const std::string& text) {
  for (std::size_t id = 1; id < v.tokens.size(); ++id)
    if (v.tokens[id].bytes == text) return static_cast<int>(id);
  return -1;
}

Ids ids_of(const Vocabulary& v, const std::vector<std::string>& parts) {
  Ids ids;
  for (const std::string& part : parts) {
    const int id = find(v, part);
    if (id < 0 && !ids.empty() && ids.back() == 0) continue;
    ids.push_back(std::max(id, 0));
  }
  return ids;
}

// The neighbours that make the piece of the highest score, the leftmost of equals, until none do.
Ids merge_literally(const Vocabulary& v, std::vector<std::string> parts) {
  for (;;) {
    int best = -1;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const int id = find(v, parts[i] + parts[i + 1]);
      const auto score = [&](int token) { return v.tokens[static_cast<std::size_t>(token)].score; };
      if (id >= 0 && (best < 0 || score(id) > score(best))) best = id, at = i;
    }
    if (best < 0) return ids_of(v, parts);
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// The largest sum of scores over all segmentations.
double best_sum(const Vocabulary& v, const std::vector<std::string>& letters, double unknown) {
  std::vector<double> best(letters.size() + 1, -std::numeric_limits<double>::infinity());
  best[0] = 0;
  for (std::size_t end = 1; end <= letters.size(); ++end) {
    std::string text;
    for (std::size_t begin = end; begin-- > 0;) {
      text = letters[begin] + text;
      const int id = find(v, text);
      if (id >= 0) {
        best[end] =
            std::max(best[end], best[begin] + double{v.tokens[static_cast<std::size_t>(id)].score});
      } else if (begin + 1 == end) {
        best[end] = std::max(best[end], best[begin] + unknown);
      }
    }
  }
  return best.back();
}

}  // namespace

TEST_CASE("merging by scores gives what the definition gives", "[tokenizer]") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const Vocabulary v = random_vocabulary(random, 40);
    const auto encoder = make_score_encoder(v);
    for (int i = 0; i < 20; ++i) {
      const auto letters = random_letters(random, 40);
      Ids ids;
      encoder->encode(joined(letters), ids);
      CHECK(ids == merge_literally(v, letters));
    }
  }
}

TEST_CASE("the unigram segmentation has the largest sum of scores", "[tokenizer]") {
  std::mt19937 random(6);
  for (int round = 0; round < 200; ++round) {
    Vocabulary v = random_vocabulary(random, 40);
    v.fuse_unknown = false;
    double lowest = 0;
    for (std::size_t id = 1; id < v.tokens.size(); ++id)
      lowest = std::min(lowest, double{v.tokens[id].score});
    const auto encoder = make_unigram_encoder(v);
    for (int i = 0; i < 20; ++i) {
      const auto letters = random_letters(random, 30);
      Ids ids;
      encoder->encode(joined(letters), ids);
      double sum = 0;
      std::string text;
      for (const int id : ids) {
        sum += id == 0 ? lowest - 10 : double{v.tokens[static_cast<std::size_t>(id)].score};
        text += v.tokens[static_cast<std::size_t>(id)].bytes;
      }
      CHECK(std::abs(sum - best_sum(v, letters, lowest - 10)) < 1e-9);
      if (std::find(ids.begin(), ids.end(), 0) == ids.end()) CHECK(text == joined(letters));
    }
  }
}

TEST_CASE("a long text is merged in the order of its length", "[tokenizer]") {
  Vocabulary v;
  for (int i = 0; i < 6; ++i)
    v.tokens.push_back({std::string(std::size_t{1} << i, 'a'), TokenKind::kNormal, true, false,
                        -static_cast<float>(i)});
  Ids ids;
  make_score_encoder(v)->encode(std::string(1'000'000, 'a'), ids);  // years, if quadratic
  CHECK(ids == Ids(1'000'000 / 32, 5));
  ids.clear();
  make_unigram_encoder(v)->encode(std::string(320'000, 'a'), ids);
  CHECK(ids == Ids(320'000, 0));
}

TEST_CASE("unigram vocabularies, from tokenizer.json and tokenizer.model", "[tokenizer]") {
  const F v;
  json document = v.json();
  json vocab = json::array();
  for (const F::Piece& piece : v.pieces) vocab.push_back({piece.text, piece.score});
  document["model"] = {
      {"type", "Unigram"}, {"unk_id", 0}, {"byte_fallback", true}, {"vocab", vocab}};
  for (const auto& t : {from_json(document), from_model(v.model(1))}) {
    INFO(t->description());
    CHECK_THAT(t->description(), Contains("SentencePiece unigram"));
    // -10 ("hello") is more than -3 - 11 ("hell", "o").
    CHECK(t->encode("hello", false) == Ids{v.id("\u2581"), v.id("hello")});
    CHECK(t->encode("world", false) == Ids{v.id("\u2581world")});
    CHECK(t->encode("x\u4e2d", false) == Ids{v.id("\u2581")} + bytes({'x'}) + Ids{v.id("\u4e2d")});
    CHECK(t->decode(t->encode("hello  world\n", false), false) == "hello  world\n");
  }
}

// ---- BOS, EOS, folders.

TEST_CASE("BOS and EOS around a text", "[tokenizer]") {
  json document = F().json();
  document["post_processor"]["single"].push_back({{"SpecialToken", {{"id", "</s>"}}}});
  CHECK(from_json(document)->add_eos());
  const TemporaryFolder folder;
  folder.write("tokenizer.json", document.dump());
  folder.write(
      "tokenizer_config.json",
      R"({"tokenizer_class":"LlamaTokenizer","add_bos_token":false,"add_eos_token":false})");
  CHECK_FALSE(load_tokenizer(folder.path())->add_bos());
  CHECK_FALSE(load_tokenizer(folder.path())->add_eos());
  // Other classes of transformers do not look at these switches.
  folder.write("tokenizer_config.json",
               R"({"tokenizer_class":"PreTrainedTokenizerFast","add_bos_token":false})");
  CHECK(load_tokenizer(folder.path())->add_bos());
  folder.write("tokenizer_config.json", R"({"add_bos_token":1})");
  CHECK_THAT(message_of([&] { load_tokenizer(folder.path()); }),
             Contains("add_bos_token in ") && Contains("true or false"));
}

TEST_CASE("a folder may have a tokenizer.model and tokens beside it", "[tokenizer]") {
  const F v;
  const TemporaryFolder folder;
  folder.write("tokenizer.model", v.model());
  const int next = static_cast<int>(v.pieces.size());
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder":{"1":{"content":"<s>"},")" +
                                            std::to_string(next) +
                                            R"(":{"content":"<pad>","special":true}}})");
  const auto t = load_tokenizer(folder.path());
  CHECK(t->vocab() == next + 1);
  CHECK(t->encode("he<pad>", true) == Ids{v.id("\u2581"), v.id("he"), next});
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder":{"x":{"content":"<pad>"}}})");
  CHECK_THAT(message_of([&] { load_tokenizer(folder.path()); }),
             Contains("added_tokens_decoder in ") && Contains("'x'"));
}

// ---- Refusals.

TEST_CASE("garbage in a GGUF vocabulary of SentencePiece is refused", "[tokenizer]") {
  const auto& refused = refused_gguf;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THAT(refused([&](F& v) { v.pieces[270].score = nan; }),
             Contains("score of token 270 in ") && Contains("a finite float, got nan"));
  CHECK_THAT(refused([](F& v) { v.pieces[270].score = -HUGE_VAL; }), Contains("got -inf"));
  CHECK_THAT(refused([](F& v) { v.pieces[270].type = 0; }),
             Contains("type of token 270") && Contains("1 to 6, got 0"));
  CHECK_THAT(refused([](F& v) { v.pieces[270].type = -7; }), Contains("got -7"));
  CHECK_THAT(refused([](F& v) { v.pieces[270].type = 6; }),
             Contains("token 270 (a byte)") && Contains("'<0x00>' to '<0xFF>'"));
  CHECK_THAT(refused([](F& v) { v.pieces[9].text = "<0xGG>"; }), Contains("got '<0xGG>'"));
  CHECK_THAT(refused([](F& v) { v.pieces[270].text = v.pieces[271].text; }),
             Contains("each token once"));
  const TemporaryFolder folder;
  const auto with = [&](const std::function<void(GgufWriter&)>& set) {
    GgufWriter writer(folder / "v.gguf");
    writer.set("tokenizer.ggml.model", std::string("llama"));
    writer.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
    writer.set("tokenizer.ggml.token_type", std::vector<std::int64_t>{1, 1});
    set(writer);
    writer.finish();
    return message_of([&] { load_tokenizer(folder / "v.gguf"); });
  };
  CHECK_THAT(with([](GgufWriter&) {}),
             Contains("tokenizer.ggml.scores") && Contains("no such key"));
  CHECK_THAT(with([](GgufWriter& w) { w.set("tokenizer.ggml.scores", std::vector<double>{1}); }),
             Contains("an array of 2 floats") && Contains("got 1"));
  CHECK_THAT(with([](GgufWriter& w) {
               w.set("tokenizer.ggml.scores", std::vector<double>{1, 2});
               w.set("tokenizer.ggml.remove_extra_whitespaces", true);
             }),
             Contains("remove_extra_whitespaces"));
  CHECK_THAT(with([](GgufWriter& w) {
               w.set("tokenizer.ggml.scores", std::vector<double>{1, 2});
               w.set("tokenizer.ggml.unknown_token_id", std::uint64_t{2});
             }),
             Contains("unknown_token_id") && Contains("an id below 2"));
}

TEST_CASE("what a SentencePiece tokenizer.json asks for and this version lacks is named",
          "[tokenizer]") {
  const auto& refused = refused_json;
  CHECK_THAT(refused([](json& d) { d["model"]["type"] = "WordPiece"; }),
             Contains("model.type") && Contains("'BPE' or 'Unigram'"));
  CHECK_THAT(refused([](json& d) { d["model"]["unk_token"] = "?"; }), Contains("model.unk_token"));
  CHECK_THAT(refused([](json& d) { d["model"]["fuse_unk"] = 1; }), Contains("model.fuse_unk"));
  CHECK_THAT(refused([](json& d) { d["normalizer"] = nullptr; }),
             Contains("normalizer in ") && Contains("spaces is unknown"));
  CHECK_THAT(refused([](json& d) { d["normalizer"]["normalizers"][0]["type"] = "NFKC"; }),
             Contains("normalizer.normalizers[0].type"));
  CHECK_THAT(refused([](json& d) { d["normalizer"]["normalizers"][0]["prepend"] = "_"; }),
             Contains("normalizers[0].prepend"));
  CHECK_THAT(refused([](json& d) {
               d["normalizer"]["normalizers"][0] = {{"type", "Precompiled"},
                                                    {"precompiled_charsmap", "ALQC"}};
             }),
             Contains("normalizers[0].precompiled_charsmap"));
  CHECK_THAT(refused([](json& d) {
               d["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}};
             }),
             Contains("pre_tokenizer.type") && Contains("beside a Prepend"));
  CHECK_THAT(refused([](json& d) {
               d["pre_tokenizer"] = {{"type", "Whitespace"}};
             }),
             Contains("pre_tokenizer.type"));
  CHECK_THAT(refused([](json& d) { d["decoder"]["decoders"][3]["start"] = 2; }),
             Contains("decoder.decoders[3].start"));
  CHECK_THAT(refused([](json& d) { d["decoder"]["decoders"][2]["type"] = "CTC"; }),
             Contains("decoder.decoders[2].type"));
  const auto unigram = [&](const json& vocab) {
    return refused([&](json& d) { d["model"] = {{"type", "Unigram"}, {"vocab", vocab}}; });
  };
  CHECK_THAT(unigram(json::array()), Contains("model.vocab"));
  CHECK_THAT(unigram(json::parse(R"([["a",1],["b","x"]])")),
             Contains("model.vocab[1][1]") && Contains("a number"));
  CHECK_THAT(unigram(json::parse(R"([["a",1],["b"]])")), Contains("model.vocab[1]"));
  CHECK_THAT(unigram(json::parse(R"([["a",1],["a",2]])")), Contains("each token once"));
  CHECK_THAT(unigram(json::parse(R"([["a",1e300],["b",2]])")), Contains("a finite float"));
}

TEST_CASE("a damaged tokenizer.model is refused", "[tokenizer]") {
  const std::string good = F().model();
  const auto refused = [](const std::string& bytes) {
    return message_of([&] { from_model(bytes); });
  };
  for (std::size_t length = 3; length < 60; ++length)
    CHECK(refused(good.substr(0, length)) != "(accepted)");
  CHECK_THAT(refused(good.substr(0, good.size() - 1)), Contains("longer than the file"));
  using P = F::Proto;
  const std::string piece = P().text(1, P().text(1, "a").bytes).bytes;
  const std::string plain = P().text(3, P().number(4, 0).bytes).bytes;  // spaces as they are
  CHECK(refused(piece + plain) == "(accepted)");
  CHECK_THAT(refused(piece), Contains("remove_extra_whitespaces"));
  CHECK_THAT(refused(piece + piece + plain), Contains("each token once"));
  CHECK_THAT(refused(piece + P().text(2, P().number(3, 3).bytes).bytes + plain),
             Contains("model_type") && Contains("got 3"));
  CHECK_THAT(refused(piece + P().text(3, P().text(2, "rules").number(4, 0).bytes).bytes),
             Contains("precompiled_charsmap"));
  CHECK_THAT(refused(piece + P().text(1, P().text(1, "b").number(3, 9).bytes).bytes + plain),
             Contains("type of piece 1"));
  CHECK_THAT(refused(piece + P().text(1, P().text(1, "b").real(2, NAN).bytes).bytes + plain),
             Contains("score of piece 1"));
  CHECK_THAT(refused(piece + "\x0f"), Contains("wire type 7"));
}
