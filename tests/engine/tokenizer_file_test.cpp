// The three file formats of one vocabulary, what a tokenizer does with it, and what is refused.
#include <functional>

#include "engine/error.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/refusal.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tokenizer_fixture.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;
using Catch::Matchers::Contains;
using F = TokenizerFixture;
using Ids = std::vector<int>;
using nlohmann::json;

namespace {

std::unique_ptr<Tokenizer> from_json(const json& document) {
  const TemporaryFolder folder;
  return load_tokenizer(folder.write("tokenizer.json", document.dump()));
}

std::unique_ptr<Tokenizer> from_gguf(const F::Gguf& file) {
  const TemporaryFolder folder;
  F::write(file, folder / "v.gguf");
  return load_tokenizer(folder / "v.gguf");
}

std::unique_ptr<Tokenizer> from_ranks(const std::string& text) {
  const TemporaryFolder folder;
  return load_tokenizer(folder.write("tokenizer.model", text));
}

std::string refused_json(const std::function<void(json&)>& change) {
  json document = F::json();
  change(document);
  return message_of([&] { from_json(document); });
}

std::string refused_gguf(const std::function<void(F::Gguf&)>& change) {
  F::Gguf file = F::gguf();
  change(file);
  return message_of([&] { from_gguf(file); });
}

}  // namespace

TEST_CASE("one vocabulary, three files, the same ids", "[tokenizer]") {
  const auto gguf = from_gguf(F::gguf());
  const auto hf = from_json(F::json());
  const auto ranks = from_ranks(F::ranks());
  CHECK(gguf->vocab() == F::kVocab);
  CHECK(hf->vocab() == F::kVocab);
  CHECK(ranks->vocab() == F::kBegin + 256);
  for (const Tokenizer* t : {gguf.get(), hf.get(), ranks.get()}) {
    CHECK(t->encode("", false).empty());
    CHECK(t->encode("hello world", false) == Ids{F::kHello, F::kSpaceWorld});
    CHECK(t->encode("hell", false) == Ids{F::kHell});
    CHECK(t->encode("help", false) == Ids{F::kHe, 'l', 'p'});
    CHECK(t->encode("1234", false) == Ids{F::k123, '4'});
    CHECK(t->encode("   x", false) == Ids{F::kTwoSpaces, ' ', 'x'});
    CHECK(t->encode("xyz!", false) == Ids{F::kXyz, '!'});
    CHECK(t->encode("\u4e2d\n", false) == Ids{0xe4, 0xb8, 0xad, '\n'});
    CHECK(t->encode("\xff\xe4", false) == Ids{0xff, 0xe4});
    CHECK(t->bos() == F::kBegin);
    CHECK(t->eos() == F::kEnd);
    CHECK(t->add_bos());
  }
  CHECK(gguf->description() == "llama-bpe, from GGUF");
  CHECK(hf->description() == "llama-bpe, from tokenizer.json");
  CHECK_THAT(ranks->description(), Contains("not Llama 3's own"));
  CHECK(ranks->decode({F::kBegin + 9, F::kBegin + 2, F::kBegin + 255}, false) ==
        "<|eot_id|><|reserved_special_token_0|><|reserved_special_token_250|>");
}

TEST_CASE("special tokens count when asked for, added ones always", "[tokenizer]") {
  for (const auto& t : {from_gguf(F::gguf()), from_json(F::json())}) {
    CHECK(t->encode("hell<|eot_id|>o", true) == Ids{F::kHell, F::kEot, 'o'});
    CHECK(t->encode("<|eot_id|>!<|eot_id|>", true) == Ids{F::kEotLong, F::kEot});  // the longest
    CHECK(t->encode("<|<|eot_id|>", true) == Ids{'<', '|', F::kEot});
    CHECK(t->encode("<|eot_id|>", false).size() == 10);
    CHECK(t->encode("he<added>ll", false) == Ids{F::kHe, F::kAdded, 257});
    // The text is cut there first, and merging does not reach across.
    CHECK(t->encode("hel<added>lo", true) == Ids{F::kHe, 'l', F::kAdded, 'l', 'o'});
  }
}

TEST_CASE("decoding gives the bytes back", "[tokenizer]") {
  const auto t = from_json(F::json());
  const std::string text = "hello <|eot_id|>\xff \u4e2d<added>";
  for (const bool special : {false, true})
    CHECK(t->decode(t->encode(text, special), false) == text);
  CHECK(t->decode({F::kBegin, F::kHello, F::kAdded, F::kEot}, true) == "hello<added>");
  CHECK(t->decode({}, false).empty());
  for (const int id : {-1, F::kVocab, 1 << 30})
    CHECK_THROWS_WITH(t->decode({id}, false),
                      Contains("expected an id of the tokenizer (0 to 273)"));
}

TEST_CASE("ids a tokenizer.json leaves out stay out", "[tokenizer]") {
  json document = F::json();
  document["added_tokens"].push_back({{"id", 300}, {"content", "<far>"}});
  const auto t = from_json(document);
  CHECK(t->vocab() == 301);
  CHECK(t->encode("<far>", false) == Ids{300});
  CHECK_THROWS_AS(t->decode({280}, false), Error);
}

TEST_CASE("tokenizer.json says whether whole pieces skip the merges", "[tokenizer]") {
  json document = F::json();
  document["model"]["ignore_merges"] = false;
  CHECK(from_json(document)->encode("xyz", false) == Ids{'x', 'y', 'z'});
  document["model"].erase("ignore_merges");
  CHECK(from_json(document)->encode("xyz", false) == Ids{'x', 'y', 'z'});
}

TEST_CASE("merges may be lists of two", "[tokenizer]") {
  json document = F::json();
  for (json& merge : document["model"]["merges"]) {
    const std::string text = merge;
    merge = {text.substr(0, text.find(' ', 1)), text.substr(text.find(' ', 1) + 1)};
  }
  CHECK(from_json(document)->encode("hello", false) == Ids{F::kHello});
}

TEST_CASE("BOS and EOS come from the settings beside tokenizer.json, too", "[tokenizer]") {
  const TemporaryFolder folder;
  json document = F::json();
  document.erase("post_processor");
  folder.write("tokenizer.json", document.dump());
  CHECK(load_tokenizer(folder.path())->bos() == F::kBegin);
  CHECK_FALSE(load_tokenizer(folder.path())->add_bos());
  const auto config = folder.write("tokenizer_config.json",
                                   R"({"bos_token":null,"eos_token":{"content":"<|eot_id|>"}})");
  CHECK(load_tokenizer(folder.path())->eos() == F::kEot);
  CHECK(load_tokenizer(folder / "tokenizer.json")->eos() == F::kEot);
  CHECK(load_tokenizer(folder / "model.safetensors")->eos() == F::kEot);
  folder.write("tokenizer_config.json", R"({"eos_token":"</s>"})");
  CHECK_THAT(message_of([&] { load_tokenizer(folder.path()); }),
             Contains("eos_token in " + config.string()) && Contains("'</s>'"));
  folder.write("tokenizer_config.json", "[]");
  CHECK_THAT(message_of([&] { load_tokenizer(folder.path()); }), Contains("expected an object"));
}

TEST_CASE("a GGUF file decides about BOS", "[tokenizer]") {
  F::Gguf file = F::gguf();
  file.add_bos = false;
  CHECK_FALSE(from_gguf(file)->add_bos());
  file.add_bos_key = false;
  CHECK(from_gguf(file)->add_bos());
  file.pre = "falcon3";
  CHECK(from_gguf(file)->description() == "llama-bpe, from GGUF (named 'falcon3')");
}

TEST_CASE("Qwen 2: every digit a piece, accents composed, no BOS by itself", "[tokenizer]") {
  F::Gguf file = F::gguf();
  file.pre = "qwen2";
  file.add_bos_key = false;
  json document = F::json();
  document["normalizer"] = {{"type", "NFC"}};
  document["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = regex_of(SplitRule::kQwen2);
  document["model"]["ignore_merges"] = false;
  document.erase("post_processor");
  for (const auto& t : {from_gguf(file), from_json(document)}) {
    CHECK_THAT(t->description(), Contains("qwen2, from"));
    CHECK_FALSE(t->add_bos());
    CHECK(t->encode("123", false) == Ids{'1', '2', '3'});
    CHECK(t->encode("xyz", false) == Ids{'x', 'y', 'z'});  // merges decide
    CHECK(t->encode("hello world", false) == Ids{F::kHello, F::kSpaceWorld});
    CHECK(t->encode("e\u0301<added>e\u0301", false) == Ids{0xc3, 0xa9, F::kAdded, 0xc3, 0xa9});
  }
}

TEST_CASE("GPT-2: ByteLevel cuts by itself", "[tokenizer]") {
  F::Gguf file = F::gguf();
  file.pre = "gpt-2";
  json document = F::json();
  document["pre_tokenizer"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  for (const auto& t : {from_gguf(file), from_json(document)})
    CHECK(t->encode("1234 world", false) == Ids{F::k123, '4', F::kSpaceWorld});
  document["pre_tokenizer"]["add_prefix_space"] = true;
  CHECK_THAT(message_of([&] { from_json(document); }), Contains("pre_tokenizer.add_prefix_space"));
}

TEST_CASE("a Split may keep the matches or remove what is between them", "[tokenizer]") {
  json document = F::json();
  json& split = document["pre_tokenizer"]["pretokenizers"][0];
  split["behavior"] = "Removed";
  CHECK_THAT(message_of([&] { from_json(document); }), Contains("pretokenizers[0].behavior"));
  split["invert"] = true;
  CHECK(from_json(document)->encode("1234", false) == Ids{F::k123, '4'});
}

TEST_CASE("what tokenizer.json asks for and this version lacks is named", "[tokenizer]") {
  const auto& refused = refused_json;
  const auto lacks = [&](const char* key) { return refused([&](json& d) { d.erase(key); }); };
  CHECK_THAT(lacks("model"), Contains("model in ") && Contains("got no such key"));
  CHECK_THAT(lacks("pre_tokenizer"), Contains("pre_tokenizer in "));
  CHECK_THAT(lacks("decoder"), Contains("decoder in "));
  for (const char* key : {"type", "vocab", "merges"}) {
    CHECK_THAT(refused([&](json& d) { d["model"].erase(key); }),
               Contains("model." + std::string(key) + " in ") && Contains("no such key"));
  }
  CHECK_THAT(refused([](json& d) { d["model"]["type"] = "Unigram"; }),
             Contains("model.type") && Contains("'BPE'") && Contains("'Unigram'"));
  CHECK_THAT(refused([](json& d) { d["model"]["byte_fallback"] = true; }),
             Contains("model.byte_fallback"));
  CHECK_THAT(refused([](json& d) { d["model"]["end_of_word_suffix"] = "</w>"; }),
             Contains("model.end_of_word_suffix"));
  CHECK_THAT(refused([](json& d) {
               d["normalizer"] = {{"type", "NFKC"}};
             }),
             Contains("normalizer.type") && Contains("'NFC'"));
  CHECK_THAT(refused([](json& d) { d["decoder"]["type"] = "WordPiece"; }),
             Contains("pre_tokenizer.pretokenizers[0]"));
  CHECK_THAT(
      refused([](json& d) { d["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\s+"; }),
      Contains("pre_tokenizer.pretokenizers[0].pattern.Regex"));
  CHECK_THAT(refused([](json& d) { d["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; }),
             Contains("pretokenizers[1].use_regex"));
  CHECK_THAT(
      refused([](json& d) { d["pre_tokenizer"]["pretokenizers"][1].erase("add_prefix_space"); }),
      Contains("pretokenizers[1].add_prefix_space"));
  CHECK_THAT(refused([](json& d) { d["added_tokens"][0]["lstrip"] = true; }),
             Contains("added_tokens[0].lstrip"));
  CHECK_THAT(refused([](json& d) {
               d["post_processor"]["single"].push_back(d["post_processor"]["single"][1]);
             }),
             Contains("post_processor.single"));
  CHECK_THAT(refused([](json& d) { d["post_processor"]["type"] = "BertProcessing"; }),
             Contains("post_processor.type"));
}

TEST_CASE("a tokenizer.json that contradicts itself is refused", "[tokenizer]") {
  const auto& refused = refused_json;
  CHECK_THAT(refused([](json& d) { d["model"]["vocab"]["zz"] = 7; }), Contains("an id of its own"));
  CHECK_THAT(refused([](json& d) { d["model"]["vocab"]["zz"] = -7; }),
             Contains("model.vocab['zz']"));
  CHECK_THAT(refused([](json& d) { d["model"]["vocab"]["zz"] = 1u << 31; }),
             Contains("an id from 0"));
  CHECK_THAT(refused([](json& d) { d["model"]["vocab"] = json::object(); }),
             Contains("model.vocab"));
  CHECK_THAT(refused([](json& d) { d["model"]["merges"].push_back("q q"); }),
             Contains("merge 12") && Contains("'qq', which is none"));
  CHECK_THAT(refused([](json& d) { d["model"]["merges"].push_back("qq"); }),
             Contains("a space between"));
  CHECK_THAT(refused([](json& d) { d["model"]["merges"].push_back(7); }), Contains("merges[12]"));
  CHECK_THAT(refused([](json& d) { d["added_tokens"][0]["id"] = 5; }),
             Contains("added_tokens[0].id"));
  CHECK_THAT(
      refused([](json& d) { d["added_tokens"][1]["content"] = d["added_tokens"][0]["content"]; }),
      Contains("added_tokens[1].content"));
  CHECK_THAT(
      refused([](json& d) { d["post_processor"]["single"][0]["SpecialToken"]["id"] = "<s>"; }),
      Contains("'<s>'"));
  CHECK_THAT(refused([](json& d) { d = json::array(); }), Contains("expected an object"));
  const TemporaryFolder folder;
  for (const std::string bad : {"{", "{\"model\":1e999}", "{\"a\":\"\xff\"}"}) {
    CHECK_THAT(message_of([&] { load_tokenizer(folder.write("t.json", bad)); }),
               Contains("tokenizer in ") && Contains("expected JSON"));
  }
  // Deep nesting must not exhaust the stack.
  const std::string deep = "{\"model\":" + std::string(1'000'000, '[');
  CHECK_THAT(message_of([&] { load_tokenizer(folder.write("t.json", deep)); }), Contains("JSON"));
}

TEST_CASE("a GGUF file without a usable tokenizer is refused", "[tokenizer]") {
  const auto& refused = refused_gguf;
  CHECK_THAT(refused([](F::Gguf& f) { f.model = ""; }), Contains("the file has no tokenizer"));
  CHECK_THAT(refused([](F::Gguf& f) { f.model = "llama"; }), Contains("tokenizer.ggml.scores"));
  CHECK_THAT(refused([](F::Gguf& f) { f.model = "bert"; }), Contains("'bert'"));
  CHECK_THAT(refused([](F::Gguf& f) { f.pre = ""; }),
             Contains("tokenizer.ggml.pre") && Contains("or the tokens of Llama 3, got neither"));
  CHECK_THAT(refused([](F::Gguf& f) { f.pre = "gpt-4o"; }), Contains("'gpt-4o'"));
  CHECK_THAT(refused([](F::Gguf& f) { f.tokens.clear(); }), Contains("tokenizer.ggml.tokens"));
  CHECK_THAT(refused([](F::Gguf& f) { f.merges.clear(); }), Contains("tokenizer.ggml.merges"));
  CHECK_THAT(refused([](F::Gguf& f) { f.types.clear(); }),
             Contains("token_type") && Contains("no such key"));
  CHECK_THAT(refused([](F::Gguf& f) { f.types.pop_back(); }), Contains("got 273"));
  CHECK_THAT(refused([](F::Gguf& f) { f.types[9] = 6; }), Contains("type of token 9"));
  CHECK_THAT(refused([](F::Gguf& f) { f.tokens[9] = f.tokens[8]; }), Contains("each token once"));
  CHECK_THAT(refused([](F::Gguf& f) { f.tokens[9] = ""; }), Contains("token 9"));
  CHECK_THAT(refused([](F::Gguf& f) { f.merges[3] = "z z"; }), Contains("merge 3"));
  CHECK_THAT(refused([](F::Gguf& f) { f.bos = 274; }),
             Contains("bos_token_id") && Contains("below 274"));
}

TEST_CASE("a file of ranks is read line by line or not at all", "[tokenizer]") {
  const auto refused = [](const std::string& text) {
    return message_of([&] { from_ranks(text); });
  };
  CHECK(from_ranks("YQ== 0\r\nYg== 1\n\n")->encode("ab", false) == Ids{0, 1});
  CHECK_THAT(refused("YQ== 0\nYg==\n"), Contains("line 2") && Contains("a token in base64"));
  CHECK_THAT(refused("YQ= 0\n"), Contains("line 1"));
  CHECK_THAT(refused("YR== 0\n"), Contains("line 1"));  // bits left over
  CHECK_THAT(refused("Y$== 0\n"), Contains("line 1"));
  CHECK_THAT(refused(" 0\n"), Contains("line 1"));
  CHECK_THAT(refused("YQ== 0x\n"), Contains("line 1"));
  CHECK_THAT(refused("YQ== 1\n"), Contains("expected rank 0, got rank 1"));
  CHECK_THAT(refused("YQ== 0\nYQ== 1\n"), Contains("rank 1") && Contains("the bytes of rank 0"));
  CHECK_THAT(refused("\n"), Contains("got none"));
}

TEST_CASE("a path without a tokenizer is refused", "[tokenizer]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of([&] { load_tokenizer(folder.path()); }),
             Contains("expected tokenizer.json"));
  CHECK_THAT(message_of([&] { load_tokenizer("synth:tiny"); }), Contains("synthetic"));
  CHECK_THROWS_AS(load_tokenizer(folder / "none.gguf"), Error);
  CHECK_THROWS_AS(load_tokenizer(folder.write("empty", "")), Error);
}
