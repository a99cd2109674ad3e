// Hugging Face's tokenizer.json. Only what Llama 3 uses is understood, and every key that could
// change ids is looked at: what is not understood is refused by its name, never skipped.
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/tensor.h"
#include "engine/tokenizer/pretokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

using Json = nlohmann::json;

std::string show(const Json& value) {
  if (value.is_string()) return quote_name(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  return quote_name(value.dump());
}

Json parse(std::string_view text, const std::string& origin) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    refuse_vocabulary("tokenizer", origin, "JSON",
                      "invalid JSON at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {
    refuse_vocabulary("tokenizer", origin, "JSON", "a number out of range");
  }
}

// A value and its path in the document, so that a refusal names the key.
class Node {
 public:
  Node(const Json& value, std::string path, const std::string& origin)
      : value_(value), path_(std::move(path)), origin_(origin) {}

  const Json& value() const { return value_; }

  [[noreturn]] void refuse(const std::string& expected) const {
    refuse_vocabulary(path_, origin_, expected, show(value_));
  }
  [[noreturn]] void lacks(const std::string& key, const std::string& expected) const {
    refuse_vocabulary(path_of(key), origin_, expected, "no such key");
  }

  bool has(const std::string& key) const {
    return object().contains(key) && !object()[key].is_null();
  }

  Node at(const std::string& key, const std::string& expected) const {
    const auto found = object().find(key);
    if (found == object().end()) lacks(key, expected);
    return {*found, path_of(key), origin_};
  }
  Node at(std::size_t i) const {
    return {value_[i], path_ + "[" + std::to_string(i) + "]", origin_};
  }

  const Json& object() const {
    if (!value_.is_object()) refuse("an object");
    return value_;
  }
  std::size_t size() const {
    if (!value_.is_array()) refuse("a list");
    return value_.size();
  }
  const std::string& string() const {
    if (!value_.is_string()) refuse("a string");
    return value_.get_ref<const std::string&>();
  }
  int id() const {
    if (!value_.is_number_unsigned() ||
        value_.get<std::uint64_t>() > static_cast<std::uint64_t>(kMaxTokenId)) {
      refuse("an id from 0 to " + std::to_string(kMaxTokenId));
    }
    return value_.get<int>();
  }

  // A switch that must be `wanted`; absent counts as `absent`.
  void require(const std::string& key, bool wanted, bool absent) const {
    const char* const text = wanted ? "true" : "false";
    if (!object().contains(key)) {
      if (wanted != absent) lacks(key, text);
    } else if (const Node node = at(key, text); node.value_ != Json(wanted)) {
      node.refuse(text);
    }
  }
  void require(const std::string& key, std::string_view wanted) const {
    const std::string expected = quote_name(wanted);
    if (const Node node = at(key, expected); node.value_ != Json(wanted)) node.refuse(expected);
  }
  // Must be absent, null, false, 0 or "".
  void require_none(const std::string& key) const {
    if (!has(key)) return;
    const Node node = at(key, "");
    const Json& v = node.value_;
    if (v != Json(false) && v != Json("") && !(v.is_number() && v == Json(0)))
      node.refuse("none of it, as in Llama 3");
  }

 private:
  std::string path_of(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }

  const Json& value_;
  std::string path_;
  const std::string& origin_;
};

class Reader {
 public:
  Reader(const Json& document, const std::string& origin)
      : root_(document, "", origin), origin_(origin), index_(origin) {}

  Vocabulary read() {
    if (!root_.value().is_object())
      refuse_vocabulary("tokenizer", origin_, "an object", show(root_.value()));
    const Node model = root_.at("model", "an object");
    check_model(model);
    check_normalizer();
    check_pre_tokenizer(root_.at("pre_tokenizer", "Llama 3's Split and ByteLevel"));
    root_.at("decoder", "an object with type 'ByteLevel'").require("type", "ByteLevel");
    read_vocab(model.at("vocab", "an object of tokens and ids"));
    read_merges(model.at("merges", "a list of pairs of tokens"));
    if (root_.has("added_tokens")) read_added_tokens(root_.at("added_tokens", ""));
    if (root_.has("post_processor")) read_post_processor(root_.at("post_processor", ""));
    vocabulary_.description = "llama-bpe, from tokenizer.json";
    return std::move(vocabulary_);
  }

 private:
  void check_model(const Node& model) {
    model.require("type", "BPE");
    for (const char* key :
         {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"})
      model.require_none(key);
    if (model.object().contains("ignore_merges")) {
      const Node ignore = model.at("ignore_merges", "");
      if (!ignore.value().is_boolean()) ignore.refuse("true or false");
      vocabulary_.ignore_merges = ignore.value().get<bool>();
    }
  }

  void check_normalizer() const {
    if (root_.has("normalizer")) root_.at("normalizer", "").refuse("null, as in Llama 3");
  }

  static void check_pre_tokenizer(const Node& pre) {
    pre.require("type", "Sequence");
    const Node steps = pre.at("pretokenizers", "Split and ByteLevel");
    if (steps.size() != 2) steps.refuse("two steps, Split and ByteLevel");
    const Node split = steps.at(0);
    split.require("type", "Split");
    split.at("pattern", "an object with Regex").require("Regex", kLlama3Regex);
    split.require("behavior", "Isolated");
    split.require("invert", false, false);
    const Node bytes = steps.at(1);
    bytes.require("type", "ByteLevel");
    bytes.require("add_prefix_space", false, true);
    bytes.require("use_regex", false, true);
  }

  VocabularyToken& slot(int id) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= vocabulary_.tokens.size()) vocabulary_.tokens.resize(at + 1);
    return vocabulary_.tokens[at];
  }

  void read_vocab(const Node& vocab) {
    index_.reserve(vocab.object().size());
    vocabulary_.tokens.reserve(vocab.object().size() + 256);
    for (auto entry = vocab.object().begin(); entry != vocab.object().end(); ++entry) {
      const std::string& text = entry.key();  // the document outlives the index
      const std::string path = "model.vocab[" + quote_name(text) + "]";
      if (text.empty()) vocab.refuse("tokens of one byte or more");
      const int id = Node(entry.value(), path, origin_).id();
      VocabularyToken& token = slot(id);
      if (token.kind != TokenKind::kNone) {
        refuse_vocabulary(path, origin_, "an id of its own",
                          std::to_string(id) + ", which another token has");
      }
      token = normal_token(text);
      index_.add(text, id);
    }
    if (vocabulary_.tokens.empty()) vocab.refuse("at least one token");
  }

  void read_merges(const Node& merges) {
    vocabulary_.merges.reserve(merges.size());
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const Json& merge = merges.value()[i];
      if (merge.is_string()) {
        index_.add_merge(merge.get_ref<const std::string&>(), vocabulary_.merges);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string()) {
        index_.add_merge(merge[0].get_ref<const std::string&>(),
                         merge[1].get_ref<const std::string&>(), vocabulary_.merges);
      } else {
        merges.at(i).refuse("a pair of tokens");
      }
    }
  }

  void read_added_tokens(const Node& added) {
    for (std::size_t i = 0; i < added.size(); ++i) {
      const Node token = added.at(i);
      const int id = token.at("id", "an id").id();
      const std::string& content = token.at("content", "a string").string();
      if (content.empty()) token.at("content", "").refuse("a text of one byte or more");
      for (const char* key : {"single_word", "lstrip", "rstrip"}) token.require_none(key);
      const bool special = token.has("special") && token.value()["special"] == Json(true);
      VocabularyToken& known = slot(id);
      if (known.kind != TokenKind::kNone && known.bytes != content) {
        token.at("id", "").refuse("an id of its own (" + quote_name(known.bytes) + " has it)");
      }
      known = {content, special ? TokenKind::kControl : TokenKind::kAdded};
      if (!names_.emplace(content, id).second) token.at("content", "").refuse("each token once");
    }
  }

  void read_post_processor(const Node& processor) {
    const Node type = processor.at("type", "'TemplateProcessing', 'ByteLevel' or 'Sequence'");
    if (type.value() == "Sequence") {
      const Node steps = processor.at("processors", "a list");
      for (std::size_t i = 0; i < steps.size(); ++i) {
        const Node step = steps.at(i);
        if (step.at("type", "a name").value() == "TemplateProcessing") {
          read_template(step);
        } else {
          step.require("type", "ByteLevel");  // moves offsets only
        }
      }
    } else if (type.value() == "TemplateProcessing") {
      read_template(processor);
    } else {
      processor.require("type", "ByteLevel");
    }
  }

  // What is put around a text: nothing, or one token in front of it.
  void read_template(const Node& processor) {
    const Node single = processor.at("single", "a list");
    const std::string expected = "at most one special token, in front of the text";
    if (single.size() == 0 || single.size() > 2) single.refuse(expected);
    if (!single.at(single.size() - 1).object().contains("Sequence")) single.refuse(expected);
    if (single.size() == 1) return;
    const Node name = single.at(0).at("SpecialToken", expected).at("id", "the name of a token");
    vocabulary_.bos = id_of(name);
    vocabulary_.add_bos = true;
  }

 public:
  int id_of(const Node& name) const {
    const auto found = names_.find(name.string());
    if (found == names_.end()) name.refuse("one of added_tokens");
    return found->second;
  }
  int id_of(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? -1 : found->second;
  }

 private:
  const Node root_;
  const std::string& origin_;
  AlphabetIndex index_;
  Vocabulary vocabulary_;
  std::unordered_map<std::string, int> names_;  // of added_tokens
};

// "bos_token" is a name, or an added token with its name as "content".
int special_id(const Reader& reader, const Node& config, const std::string& key) {
  const Node token = config.at(key, "");
  return reader.id_of(token.value().is_object() ? token.at("content", "a string") : token);
}

}  // namespace

Vocabulary vocabulary_of_json(std::string_view text, const std::string& origin,
                              std::string_view config, const std::string& config_origin) {
  const Json document = parse(text, origin);
  Reader reader(document, origin);
  Vocabulary vocabulary = reader.read();
  const Json settings = config.empty() ? Json::object() : parse(config, config_origin);
  const Node node(settings, "", config_origin);
  if (!settings.is_object())
    refuse_vocabulary("settings", config_origin, "an object", show(settings));
  // tokenizer.json itself does not say which token ends a text; without settings, Llama 3's name
  // does.
  if (node.has("bos_token")) {
    vocabulary.bos = special_id(reader, node, "bos_token");
  } else if (vocabulary.bos < 0) {
    vocabulary.bos = reader.id_of("<|begin_of_text|>");
  }
  vocabulary.eos = node.has("eos_token") ? special_id(reader, node, "eos_token")
                                         : reader.id_of("<|end_of_text|>");
  return vocabulary;
}

}  // namespace tern::engine
