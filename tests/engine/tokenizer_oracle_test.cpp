// Llama 3's own vocabulary and the tiny models', where they are at hand.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "engine/formats/gguf.h"
#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/sentencepiece_fixture.h"
#include "tests/engine/temporary_folder.h"
#include "tests/engine/tokenizer_fixture.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;
using nlohmann::json;
using Ids = std::vector<int>;
namespace fs = std::filesystem;

namespace {

const fs::path kOracle = fs::path(TERN_SOURCE_DIR) / "../shared/oracle";
const fs::path kLlama3 = kOracle / "tokenizer/llama3-vocab.gguf";

bool present(const fs::path& path) {
  if (fs::exists(path)) return true;
  WARN("skipped: no " << path);
  return false;
}

std::vector<json> lines_of(const fs::path& path) {
  std::vector<json> all;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) all.push_back(json::parse(line));
  return all;
}

void check_vectors(const Tokenizer& tokenizer) {
  const std::vector<json> vectors = lines_of(kOracle / "tokenizer/llama3_vectors.jsonl");
  CHECK(vectors.size() > 200);
  for (const json& v : vectors) {
    const std::string text = v["text"];
    INFO("text " << v["text"]);
    CHECK(tokenizer.encode(text, false) == v["ids"].get<Ids>());
    CHECK(tokenizer.encode(text, true) == v["ids_special"].get<Ids>());
    CHECK(tokenizer.decode(v["ids"].get<Ids>(), false) == text);
    CHECK(tokenizer.decode(v["ids_special"].get<Ids>(), false) == text);
  }
}

template <class T>
const T& metadata(const GgufFile& file, const std::string& key) {
  return std::get<T>(file.metadata().at(key));
}

// The same vocabulary without the name of its pre-tokenizer, as the official BitNet file has it.
void write_without_pre(const GgufFile& file, const fs::path& path, bool damaged) {
  GgufWriter writer(path);
  for (auto [key, value] : file.metadata()) {
    if (key == "tokenizer.ggml.pre") continue;
    if (damaged && key == "tokenizer.ggml.tokens") {
      auto& tokens = std::get<std::vector<std::string>>(value);
      std::swap(tokens[100'000], tokens[100'001]);
    }
    writer.set(key, value);
  }
  writer.finish();
}

}  // namespace

TEST_CASE("Llama 3: ids of the vectors, from GGUF", "[tokenizer][oracle]") {
  if (!present(kLlama3)) return;
  const auto tokenizer = load_tokenizer(kLlama3);
  CHECK(tokenizer->warning().empty());
  CHECK(tokenizer->vocab() == 128256);
  CHECK(tokenizer->bos() == 128000);
  CHECK(tokenizer->add_bos());
  check_vectors(*tokenizer);
}

TEST_CASE("BitNet 2B4T: conversations as text and as ids", "[tokenizer][oracle]") {
  if (!present(kLlama3)) return;
  const auto tokenizer = load_tokenizer(kLlama3);
  for (const json& chat : lines_of(kOracle / "tokenizer/chat_2b4t.jsonl")) {
    const auto text = chat["hf_template_string"].get<std::string>();
    std::vector<ChatMessage> messages;
    for (const json& message : chat["messages"])
      messages.push_back({message["role"], message["content"]});
    CHECK(render(ChatTemplate(), messages, chat["add_generation_prompt"]) == text);
    Ids ids = tokenizer->encode(text, true);
    ids.insert(ids.begin(), tokenizer->bos());
    CHECK(ids == chat["ids_bos_plus_string"].get<Ids>());
  }
}

TEST_CASE("Llama 3: a GGUF file that names no pre-tokenizer is recognised", "[tokenizer][oracle]") {
  if (!present(kLlama3)) return;
  const TemporaryFolder folder;
  const GgufFile file(kLlama3);
  write_without_pre(file, folder / "v.gguf", false);
  const auto tokenizer = load_tokenizer(folder / "v.gguf");
  CHECK(tokenizer->description() ==
        "llama-bpe, from GGUF; the file names no pre-tokenizer, its tokens are Llama 3's");
  CHECK_THAT(tokenizer->warning(),
             Catch::Matchers::Contains((folder / "v.gguf").string() + " names no pre-tokenizer"));
  check_vectors(*tokenizer);
  write_without_pre(file, folder / "damaged.gguf", true);
  CHECK_THROWS_WITH(load_tokenizer(folder / "damaged.gguf"),
                    Catch::Matchers::Contains("the tokens of Llama 3, got neither"));
}

TEST_CASE("Llama 3: ids of the vectors, from tiktoken ranks", "[tokenizer][oracle]") {
  if (!present(kLlama3)) return;
  const GgufFile file(kLlama3);
  const auto& tokens = metadata<std::vector<std::string>>(file, "tokenizer.ggml.tokens");
  std::string ranks;
  for (int id = 0; id < 128000; ++id) {
    ranks += TokenizerFixture::base64(*bytes_of_alphabet(tokens[static_cast<std::size_t>(id)])) +
             " " + std::to_string(id) + "\n";
  }
  const TemporaryFolder folder;
  const auto tokenizer = load_tokenizer(folder.write("tokenizer.model", ranks));
  CHECK(tokenizer->description() == "llama-bpe, from tiktoken ranks, which are Llama 3's");
  CHECK(tokenizer->vocab() == 128256);
  CHECK(tokenizer->bos() == 128000);
  check_vectors(*tokenizer);
  for (int id = 128000; id < 128256; ++id)
    CHECK(tokenizer->decode({id}, false) == tokens[static_cast<std::size_t>(id)]);
}

TEST_CASE("Llama 3: ids of the vectors, from tokenizer.json", "[tokenizer][oracle]") {
  if (!present(kLlama3)) return;
  const GgufFile file(kLlama3);
  const auto& tokens = metadata<std::vector<std::string>>(file, "tokenizer.ggml.tokens");
  json document = TokenizerFixture::json();
  document["model"]["merges"] = metadata<std::vector<std::string>>(file, "tokenizer.ggml.merges");
  document["model"]["vocab"] = json::object();
  document["added_tokens"] = json::array();
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (id < 128000) {
      document["model"]["vocab"][tokens[id]] = id;
    } else {
      document["added_tokens"].push_back({{"id", id}, {"content", tokens[id]}, {"special", true}});
    }
  }
  const TemporaryFolder folder;
  check_vectors(*load_tokenizer(folder.write("tokenizer.json", document.dump())));
}

namespace {

const fs::path kLlama2 = kOracle / "tokenizer/spm-llama2/ggml-vocab-llama-spm.gguf";

// llama.cpp's expectations: texts with a line between them, and a line of ids for each.
std::vector<std::pair<std::string, Ids>> llama2_vectors() {
  std::ifstream in(kLlama2.string() + ".inp"), out(kLlama2.string() + ".out");
  const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::pair<std::string, Ids>> vectors;
  std::size_t at = 0;
  for (std::string line; std::getline(out, line);) {
    const std::size_t end = std::min(all.find(separator, at), all.size());
    std::istringstream numbers(line);
    Ids ids;
    for (int id = 0; numbers >> id;) ids.push_back(id);
    vectors.emplace_back(all.substr(at, end - at), ids);
    at = std::min(end + separator.size(), all.size());
  }
  return vectors;
}

void check_llama2(const Tokenizer& tokenizer) {
  INFO(tokenizer.description());
  CHECK(tokenizer.vocab() == 32000);
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.add_bos());
  const auto vectors = llama2_vectors();
  CHECK(vectors.size() == 46);
  for (const auto& [text, ids] : vectors) {
    INFO("text " << text);
    CHECK(tokenizer.encode(text, false) == ids);
    CHECK(tokenizer.decode(ids, false) == text);
    std::string streamed;
    for (const int id : ids) streamed += tokenizer.piece(id, true);
    CHECK(streamed == (ids.empty() ? "" : " ") + text);
  }
}

SentencePieceFixture llama2() {
  const GgufFile file(kLlama2);
  const auto& tokens = metadata<std::vector<std::string>>(file, "tokenizer.ggml.tokens");
  const auto& scores = metadata<std::vector<double>>(file, "tokenizer.ggml.scores");
  const auto& types = metadata<std::vector<std::int64_t>>(file, "tokenizer.ggml.token_type");
  SentencePieceFixture vocabulary;
  vocabulary.pieces.clear();
  for (std::size_t id = 0; id < tokens.size(); ++id)
    vocabulary.pieces.push_back({tokens[id], scores[id], types[id]});
  return vocabulary;
}

}  // namespace

TEST_CASE("Llama 2: ids of llama.cpp's vectors, from GGUF", "[tokenizer][oracle]") {
  if (present(kLlama2)) check_llama2(*load_tokenizer(kLlama2));
}

TEST_CASE("Llama 2: the same ids from tokenizer.json and tokenizer.model", "[tokenizer][oracle]") {
  if (!present(kLlama2)) return;
  const TemporaryFolder folder;
  check_llama2(*load_tokenizer(folder.write("tokenizer.json", llama2().json().dump())));
  check_llama2(*load_tokenizer(folder.write("tokenizer.model", llama2().model())));
}

TEST_CASE("Llama 2: Metaspace cuts as Prepend and Replace do", "[tokenizer][oracle]") {
  if (!present(kLlama2)) return;
  json document = llama2().json();
  document["normalizer"] = nullptr;
  document["pre_tokenizer"] = {{"type", "Metaspace"},
                               {"replacement", "\u2581"},
                               {"prepend_scheme", "first"},
                               {"split", false}};
  const TemporaryFolder folder;
  const auto tokenizer = load_tokenizer(folder.write("tokenizer.json", document.dump()));
  // A text that begins with a space gets no second one here.
  for (const auto& [text, ids] : llama2_vectors())
    if (!text.starts_with(' ')) CHECK(tokenizer->encode(text, false) == ids);
}

TEST_CASE("the tiny models' prompts, from both kinds of file", "[tokenizer][oracle]") {
  if (!present(kOracle / "models")) return;
  int files = 0;
  for (const fs::directory_entry& model : fs::directory_iterator(kOracle / "models")) {
    if (!model.is_directory()) continue;
    std::ifstream in(model.path() / (model.path().filename().string() + ".expected.json"));
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    // Python writes infinities, which JSON does not have.
    for (std::size_t at; (at = text.find("Infinity")) != text.npos;) text.replace(at, 8, "null");
    const json expected = json::parse(text);
    for (const fs::directory_entry& entry : fs::directory_iterator(model.path())) {
      if (!entry.is_directory() && entry.path().extension() != ".gguf") continue;
      INFO(entry.path());
      const auto tokenizer = load_tokenizer(entry.path());
      ++files;
      for (const json& prompt : expected["prompts"]) {
        if (!prompt.contains("text") || !prompt["text"].is_string()) continue;
        // One of the folders shares a tokenizer.json that puts BOS where its model wants none.
        Ids ids = prompt["ids"];
        if (!ids.empty() && ids[0] == tokenizer->bos()) ids.erase(ids.begin());
        CHECK(tokenizer->encode(prompt["text"].get<std::string>(), true) == ids);
      }
    }
  }
  CHECK(files >= 13);
}
