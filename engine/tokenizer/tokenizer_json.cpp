// Hugging Face's tokenizer.json: byte-level BPE (Llama 3, Qwen 2, Falcon 3) and SentencePiece's BPE
// and unigram models (Llama 2, Gemma). Every key that could change ids is looked at: what is not
// understood is refused by its name, never skipped.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/tensor.h"
#include "engine/tokenizer/json_node.h"
#include "engine/tokenizer/vocabulary.h"
#include "engine/tokenizer/vocabulary_settings.h"

namespace tern::engine {
namespace {

using Json = nlohmann::json;

// The parts of a pipeline: of a Sequence its steps, of anything else itself.
std::vector<JsonNode> steps_of(const JsonNode& node, const std::string& list) {
  if (!node.at("type", "a name").is("Sequence")) return {node};
  const JsonNode steps = node.at(list, "a list");
  std::vector<JsonNode> all;
  for (std::size_t i = 0; i < steps.size(); ++i) all.push_back(steps.at(i));
  return all;
}

bool has_type(const JsonNode& node, std::string_view type) {
  return node.at("type", "a name").is(type);
}

// {"String": text}; patterns by regular expression give false.
bool is_string_pattern(const JsonNode& node, std::string_view text) {
  const JsonNode pattern = node.at("pattern", "an object with String");
  return pattern.has("String") && pattern.at("String", "").is(text);
}

// Metaspace says when it puts a space in front in an older and a newer way.
SpacePrefix prefix_of_metaspace(const JsonNode& step) {
  step.require("replacement", kSpaceMark);
  const bool add = step.boolean("add_prefix_space", true);
  if (!step.has("prepend_scheme")) return add ? SpacePrefix::kUnlessSpace : SpacePrefix::kNone;
  const JsonNode scheme = step.at("prepend_scheme", "");
  if (scheme.is("always")) return SpacePrefix::kUnlessSpace;
  if (scheme.is("first")) return SpacePrefix::kFirst;
  if (scheme.is("never")) return SpacePrefix::kNone;
  scheme.refuse("'always', 'first' or 'never'");
}

class Reader {
 public:
  Reader(const Json& document, const std::string& origin)
      : root_(document, "", origin), origin_(origin), index_(origin) {}

  Vocabulary read() {
    const JsonNode model = root_.at("model", "an object");
    const JsonNode decoder = root_.at("decoder", "an object");
    if (has_type(decoder, "ByteLevel")) {
      read_byte_level(model);
    } else {
      read_sentencepiece(model, decoder);
    }
    if (root_.has("added_tokens")) read_added_tokens(root_.at("added_tokens", ""));
    if (root_.has("post_processor")) read_post_processor(root_.at("post_processor", ""));
    return std::move(vocabulary_);
  }

 private:
  bool sentencepiece() const { return vocabulary_.algorithm != Algorithm::kByteLevel; }

  // ---- Byte-level BPE.

  void read_byte_level(const JsonNode& model) {
    model.require("type", "BPE");
    model.require_none("byte_fallback");
    read_merge_settings(model);
    if (root_.has("normalizer")) {
      for (const JsonNode& step : steps_of(root_.at("normalizer", ""), "normalizers")) {
        step.require("type", "NFC");
        vocabulary_.nfc = true;
      }
    }
    read_pieces(root_.at("pre_tokenizer", "Split and ByteLevel"));
    read_vocab(model.at("vocab", "an object of tokens and ids"));
    read_merges(model.at("merges", "a list of pairs of tokens"));
    vocabulary_.description = std::string(name(vocabulary_.split)) + ", from tokenizer.json";
  }

  void read_pieces(const JsonNode& pre) {
    if (has_type(pre, "ByteLevel")) {
      vocabulary_.split = SplitRule::kGpt2;
      pre.require("add_prefix_space", false, true);
      pre.require("use_regex", true, true);
      return;
    }
    pre.require("type", "Sequence");
    const JsonNode steps = pre.at("pretokenizers", "Split and ByteLevel");
    if (steps.size() != 2) steps.refuse("two steps, Split and ByteLevel");
    read_split(steps.at(0));
    const JsonNode bytes = steps.at(1);
    bytes.require("type", "ByteLevel");
    bytes.require("add_prefix_space", false, true);
    bytes.require("use_regex", false, true);
  }

  void read_split(const JsonNode& split) {
    split.require("type", "Split");
    const std::string expected = "the regular expression of Llama 3, Qwen 2 or GPT-2";
    const JsonNode regex = split.at("pattern", "an object with Regex").at("Regex", expected);
    const auto rule = split_rule_of(regex.string());
    if (!rule) regex.refuse(expected);
    vocabulary_.split = *rule;
    // The expressions match all of a text, so to keep the matches or to remove what is between
    // them is the same.
    const bool removed = split.boolean("invert", false);
    split.require("behavior", removed ? "Removed" : "Isolated");
  }

  // ---- SentencePiece.

  void read_sentencepiece(const JsonNode& model, const JsonNode& decoder) {
    const JsonNode type = model.at("type", "'BPE' or 'Unigram'");
    byte_tokens_ = model.boolean("byte_fallback", false);
    if (type.is("Unigram")) {
      vocabulary_.algorithm = Algorithm::kUnigram;
      vocabulary_.fuse_unknown = true;
      vocabulary_.description = "SentencePiece unigram, from tokenizer.json";
      read_spaces(decoder);
      read_unigram(model);
      return;
    }
    if (!type.is("BPE")) type.refuse("'BPE' or 'Unigram'");
    vocabulary_.algorithm = Algorithm::kMerges;
    vocabulary_.fuse_unknown = model.boolean("fuse_unk", false);
    vocabulary_.description = "SentencePiece BPE, from tokenizer.json";
    read_merge_settings(model);
    read_spaces(decoder);
    read_vocab(model.at("vocab", "an object of tokens and ids"));
    read_merges(model.at("merges", "a list of pairs of tokens"));
    if (model.has("unk_token")) {
      const JsonNode unknown = model.at("unk_token", "");
      const auto id = index_.find(unknown.string());
      if (!id) unknown.refuse("a token of model.vocab");
      vocabulary_.unknown = *id;
    }
  }

  // How spaces become U+2581 and back.
  void read_spaces(const JsonNode& decoder) {
    bool replaced = false;
    if (root_.has("normalizer")) {
      for (const JsonNode& step : steps_of(root_.at("normalizer", ""), "normalizers"))
        read_normalizer(step, replaced);
    }
    if (root_.has("pre_tokenizer")) {
      for (const JsonNode& step : steps_of(root_.at("pre_tokenizer", ""), "pretokenizers"))
        read_space_splitter(step, replaced);
    }
    if (!replaced && !vocabulary_.metaspace) {
      refuse_vocabulary("normalizer", origin_, "Replace of ' ' by U+2581, or Metaspace",
                        "neither, so what becomes of spaces is unknown");
    }
    for (const JsonNode& step : steps_of(decoder, "decoders")) read_decoder(step);
  }

  void read_normalizer(const JsonNode& step, bool& replaced) {
    if (has_type(step, "Prepend")) {
      step.require("prepend", kSpaceMark);
      vocabulary_.prefix = SpacePrefix::kAlways;
    } else if (has_type(step, "Replace")) {
      if (!is_string_pattern(step, " ")) step.at("pattern", "").refuse("the String ' '");
      step.require("content", kSpaceMark);
      replaced = true;
    } else if (has_type(step, "Precompiled")) {
      step.require_none("precompiled_charsmap");
    } else {
      step.at("type", "").refuse("Prepend or Replace");
    }
  }

  void read_space_splitter(const JsonNode& step, bool replaced) {
    if (has_type(step, "Metaspace")) {
      if (vocabulary_.prefix != SpacePrefix::kNone)
        step.at("type", "").refuse("no Metaspace beside a Prepend");
      vocabulary_.metaspace = true;
      vocabulary_.prefix = prefix_of_metaspace(step);
      vocabulary_.split_words = step.boolean("split", true);
    } else if (has_type(step, "Split")) {  // Gemma's: finds nothing where spaces have been replaced
      if (!replaced || !is_string_pattern(step, " "))
        step.at("pattern", "").refuse("the String ' ' behind a Replace of it");
      step.require("invert", false, false);
    } else {
      step.at("type", "").refuse("Metaspace or Split");
    }
  }

  void read_decoder(const JsonNode& step) {
    if (has_type(step, "Metaspace")) {
      vocabulary_.strip_prefix = prefix_of_metaspace(step) != SpacePrefix::kNone;
    } else if (has_type(step, "Strip")) {
      step.require("content", " ");
      const int start = step.at("start", "0 or 1").id();
      if (start > 1 || step.at("stop", "0").id() != 0)
        step.at("start", "").refuse("0 or 1 (stop 0)");
      vocabulary_.strip_prefix = start == 1;
    } else if (has_type(step, "Replace")) {
      if (!is_string_pattern(step, kSpaceMark)) step.at("pattern", "").refuse("the String U+2581");
      step.require("content", " ");
    } else if (!has_type(step, "ByteFallback") && !has_type(step, "Fuse")) {
      step.at("type", "")
          .refuse("ByteLevel, or SentencePiece's Replace, ByteFallback, Fuse, Strip");
    }
  }

  void read_unigram(const JsonNode& model) {
    const JsonNode vocab = model.at("vocab", "a list of tokens with their scores");
    if (vocab.size() == 0) vocab.refuse("at least one token");
    for (std::size_t id = 0; id < vocab.size(); ++id) {
      const JsonNode entry = vocab.at(id);
      if (entry.size() != 2 || id > static_cast<std::size_t>(kMaxTokenId))
        entry.refuse("a token and its score, and not too many of them");
      const double score = entry.at(1).number();
      if (std::abs(score) > double{std::numeric_limits<float>::max()})
        entry.at(1).refuse("a finite float");
      add_token(entry.at(0).string(), static_cast<int>(id), vocab).score =
          static_cast<float>(score);
    }
    if (model.has("unk_id")) {
      const JsonNode unknown = model.at("unk_id", "");
      if (unknown.id() >= std::ssize(vocabulary_.tokens)) unknown.refuse("an id of model.vocab");
      vocabulary_.unknown = unknown.id();
      // Its name in a text is plain text.
      vocabulary_.tokens[static_cast<std::size_t>(vocabulary_.unknown)].piece = false;
    }
  }

  // ---- Both.

  void read_merge_settings(const JsonNode& model) {
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
      model.require_none(key);
    vocabulary_.ignore_merges = model.boolean("ignore_merges", false);
  }

  VocabularyToken& slot(int id) {
    const auto at = static_cast<std::size_t>(id);
    if (at >= vocabulary_.tokens.size()) vocabulary_.tokens.resize(at + 1);
    return vocabulary_.tokens[at];
  }

  // `text` outlives the index: it is the document's.
  VocabularyToken& add_token(const std::string& text, int id, const JsonNode& vocab) {
    if (text.empty()) vocab.refuse("tokens of one byte or more");
    VocabularyToken& token = slot(id);
    if (token.kind != TokenKind::kNone) {
      refuse_vocabulary("model.vocab[" + quote_name(text) + "]", origin_, "an id of its own",
                        std::to_string(id) + ", which another token has");
    }
    const int byte = byte_tokens_ ? byte_of_token(text) : -1;
    if (byte >= 0) {
      token = {std::string(1, static_cast<char>(byte)), TokenKind::kByte};
    } else {
      token = sentencepiece() ? sentencepiece_token(text) : normal_token(text);
    }
    index_.add(text, id);
    return token;
  }

  void read_vocab(const JsonNode& vocab) {
    index_.reserve(vocab.object().size());
    vocabulary_.tokens.reserve(vocab.object().size() + 256);
    for (auto entry = vocab.object().begin(); entry != vocab.object().end(); ++entry) {
      const std::string path = "model.vocab[" + quote_name(entry.key()) + "]";
      add_token(entry.key(), JsonNode(entry.value(), path, origin_).id(), vocab);
    }
    if (vocabulary_.tokens.empty()) vocab.refuse("at least one token");
  }

  void read_merges(const JsonNode& merges) {
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

  void read_added_tokens(const JsonNode& added) {
    for (std::size_t i = 0; i < added.size(); ++i) {
      const JsonNode token = added.at(i);
      const int id = token.at("id", "an id").id();
      const JsonNode content = token.at("content", "a string");
      if (content.string().empty()) content.refuse("a text of one byte or more");
      for (const char* key : {"single_word", "lstrip", "rstrip"}) token.require_none(key);
      const bool special = token.boolean("special", false);
      VocabularyToken& known = slot(id);
      const bool same = index_.find(content.string()) == id || known.bytes == content.string();
      if (known.kind != TokenKind::kNone && !same) {
        token.at("id", "").refuse("an id of its own (" + quote_name(known.bytes) + " has it)");
      }
      known.bytes = content.string();
      known.kind = special ? TokenKind::kControl : TokenKind::kAdded;
      known.piece = known.piece && !special && unmarked(known.bytes) == known.bytes;
      known.normalized = token.boolean("normalized", false);
      if (!names_.emplace(content.string(), id).second) content.refuse("each token once");
    }
  }

  void read_post_processor(const JsonNode& processor) {
    const std::string expected = "'TemplateProcessing', 'ByteLevel' or 'Sequence'";
    processor.at("type", expected);
    for (const JsonNode& step : steps_of(processor, "processors")) {
      if (has_type(step, "TemplateProcessing")) {
        read_template(step.at("single", "a list"));
      } else if (!has_type(step, "ByteLevel")) {  // which moves offsets only
        step.at("type", "").refuse(expected);
      }
    }
  }

  // What is put around a text: nothing, or one token in front, or one behind, or both.
  void read_template(const JsonNode& single) {
    const std::string expected = "a text with at most one special token before and one behind it";
    bool text = false;
    if (single.size() == 0 || single.size() > 3) single.refuse(expected);
    for (std::size_t i = 0; i < single.size(); ++i) {
      if (single.at(i).object().contains("Sequence")) {
        if (text) single.refuse(expected);
        text = true;
        continue;
      }
      if (i != (text ? single.size() - 1 : 0)) single.refuse(expected);
      const int id = id_of(single.at(i).at("SpecialToken", expected).at("id", "a token's name"));
      (text ? vocabulary_.eos : vocabulary_.bos) = id;
      (text ? vocabulary_.add_eos : vocabulary_.add_bos) = true;
    }
    if (!text) single.refuse(expected);
  }

  int id_of(const JsonNode& name) const {
    const auto found = names_.find(name.string());
    if (found == names_.end()) name.refuse("one of added_tokens");
    return found->second;
  }

  const JsonNode root_;
  const std::string& origin_;
  SpellingIndex index_;
  Vocabulary vocabulary_;
  bool byte_tokens_ = false;                    // <0xXX> are bytes
  std::unordered_map<std::string, int> names_;  // of added_tokens
};

}  // namespace

Vocabulary vocabulary_of_json(std::string_view text, const std::string& origin,
                              std::string_view config, const std::string& config_origin) {
  const Json document = parse_json(text, origin);
  Vocabulary vocabulary = Reader(document, origin).read();
  apply_tokenizer_config(config, config_origin, vocabulary);
  return vocabulary;
}

}  // namespace tern::engine
