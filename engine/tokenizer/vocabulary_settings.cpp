#include "engine/tokenizer/vocabulary_settings.h"

#include <charconv>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "engine/tensor.h"
#include "engine/tokenizer/json_node.h"

namespace tern::engine {
namespace {

using Json = nlohmann::json;

// The token with this text that is matched as a whole; -1: none.
int special_token(const Vocabulary& vocabulary, std::string_view text) {
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const auto& [bytes, kind, piece, normalized, score] = vocabulary.tokens[id];
    if ((kind == TokenKind::kControl || kind == TokenKind::kAdded) && bytes == text)
      return static_cast<int>(id);
  }
  return -1;
}

int first_of(const Vocabulary& vocabulary, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const int id = special_token(vocabulary, name); id >= 0) return id;
  }
  return -1;
}

// "bos_token" is a name, or an added token with its name as "content".
int named_token(const Vocabulary& vocabulary, const JsonNode& settings, const std::string& key) {
  const JsonNode token = settings.at(key, "");
  const JsonNode name = token.value().is_object() ? token.at("content", "a string") : token;
  const int id = special_token(vocabulary, name.string());
  if (id < 0) name.refuse("a special token of the tokenizer");
  return id;
}

// Tokens that were added to a tokenizer.model, by id; a tokenizer.json has them itself.
void add_tokens(const JsonNode& added, Vocabulary& vocabulary) {
  for (auto entry = added.object().begin(); entry != added.object().end(); ++entry) {
    const std::string& key = entry.key();
    std::size_t id = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() ||
        id > static_cast<std::size_t>(kMaxTokenId)) {
      added.refuse("ids from 0 to " + std::to_string(kMaxTokenId) + " (got " + quote_name(key) +
                   ")");
    }
    const JsonNode token = added.at(key, "");
    const std::string& content = token.at("content", "a string").string();
    if (id < vocabulary.tokens.size() && vocabulary.tokens[id].kind != TokenKind::kNone) continue;
    if (content.empty()) token.at("content", "").refuse("a text of one byte or more");
    if (id >= vocabulary.tokens.size()) vocabulary.tokens.resize(id + 1);
    const bool special = token.boolean("special", false);
    vocabulary.tokens[id] = {content, special ? TokenKind::kControl : TokenKind::kAdded};
  }
}

// Whether this class of transformers goes by add_bos_token and add_eos_token, whatever
// tokenizer.json says; others do not look at them.
bool obeys_switches(const JsonNode& settings) {
  if (!settings.has("tokenizer_class")) return true;
  const JsonNode name = settings.at("tokenizer_class", "");
  for (const char* known : {"LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer",
                            "GemmaTokenizerFast", "BitnetTokenizer"}) {
    if (name.is(known)) return true;
  }
  return false;
}

}  // namespace

void apply_tokenizer_config(std::string_view config, const std::string& origin,
                            Vocabulary& vocabulary) {
  const Json document = config.empty() ? Json::object() : parse_json(config, origin);
  const JsonNode settings(document, "", origin);
  if (settings.has("added_tokens_decoder"))
    add_tokens(settings.at("added_tokens_decoder", ""), vocabulary);
  // tokenizer.json itself does not say which token ends a text.
  if (settings.has("bos_token")) {
    vocabulary.bos = named_token(vocabulary, settings, "bos_token");
  } else if (vocabulary.bos < 0 && !settings.object().contains("bos_token")) {
    vocabulary.bos = first_of(vocabulary, {"<|begin_of_text|>", "<s>", "<bos>"});
  }
  if (settings.has("eos_token")) {
    vocabulary.eos = named_token(vocabulary, settings, "eos_token");
  } else if (vocabulary.eos < 0) {
    vocabulary.eos = first_of(vocabulary, {"<|end_of_text|>", "</s>", "<eos>", "<|endoftext|>"});
  }
  if (!obeys_switches(settings)) return;
  vocabulary.add_bos = vocabulary.bos >= 0 && settings.boolean("add_bos_token", vocabulary.add_bos);
  vocabulary.add_eos = vocabulary.eos >= 0 && settings.boolean("add_eos_token", vocabulary.add_eos);
}

}  // namespace tern::engine
