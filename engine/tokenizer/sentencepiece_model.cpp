// SentencePiece's tokenizer.model: a ModelProto in the wire format of Protocol Buffers. Field
// numbers and defaults: sentencepiece_model.proto of the SentencePiece project.
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

#include "engine/tensor.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// One field of a message: its number, and what it holds.
struct Field {
  std::uint64_t number = 0;
  unsigned type = 0;
  std::uint64_t value = 0;  // kVarint, kFixed32, kFixed64
  std::string_view bytes;   // kBytes
};

class Message {
 public:
  Message(std::string_view bytes, const std::string& origin) : rest_(bytes), origin_(origin) {}

  // False at the end. Throws Error when the bytes are no fields.
  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    field = {key >> 3, static_cast<unsigned>(key & 7), 0, {}};
    switch (field.type) {
      case kVarint:
        field.value = varint();
        return true;
      case kFixed64:
        field.value = fixed(8);
        return true;
      case kFixed32:
        field.value = fixed(4);
        return true;
      case kBytes:
        field.bytes = take(varint());
        return true;
      default:
        damaged("wire type " + std::to_string(field.type));
    }
  }

 private:
  [[noreturn]] void damaged(const std::string& got) const {
    refuse_vocabulary("SentencePiece model", origin_, "fields of a protocol buffer", got);
  }

  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) damaged("one that is longer than the file");
    const std::string_view bytes = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  std::uint64_t fixed(std::size_t count) {
    std::uint64_t value = 0;
    unsigned shift = 0;
    for (const char c : take(count)) {
      value |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
      shift += 8;
    }
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    damaged("a number of more than ten bytes");
  }

  std::string_view rest_;
  const std::string& origin_;
};

// SentencePiece.Type
enum PieceType : std::uint64_t {
  kNormalPiece = 1,
  kUnknownPiece = 2,
  kControlPiece = 3,
  kUserDefinedPiece = 4,
  kUnusedPiece = 5,
  kBytePiece = 6,
};

// What of TrainerSpec and NormalizerSpec decides about ids, with its defaults.
struct Settings {
  std::uint64_t model_type = 1;
  std::int64_t unknown = 0, bos = 1, eos = 2;
  bool byte_fallback = false, space_as_suffix = false;
  bool dummy_prefix = true, remove_spaces = true, escape_spaces = true;
  bool has_rules = false;
};

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& origin)
      : bytes_(bytes), origin_(origin), index_(origin) {}

  Vocabulary read() {
    Message model(bytes_, origin_);
    for (Field field; model.next(field);) {
      if (field.number == 2 && field.type == kBytes) read_trainer(field.bytes);
      if (field.number == 3 && field.type == kBytes) read_normalizer(field.bytes);
    }
    check_settings();
    Message again(bytes_, origin_);  // pieces come first in the file, but ask for the settings
    for (Field field; again.next(field);) {
      if (field.number == 1 && field.type == kBytes) read_piece(field.bytes);
    }
    if (vocabulary_.tokens.empty()) refuse("pieces", "at least one", "none");
    finish();
    return std::move(vocabulary_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& expected,
                           const std::string& got) const {
    refuse_vocabulary(what, origin_, expected, got);
  }

  void read_trainer(std::string_view bytes) {
    Message trainer(bytes, origin_);
    for (Field field; trainer.next(field);) {
      const auto number = static_cast<std::int64_t>(field.value);
      if (field.number == 3) settings_.model_type = field.value;
      if (field.number == 24) settings_.space_as_suffix = field.value != 0;
      if (field.number == 35) settings_.byte_fallback = field.value != 0;
      if (field.number == 40) settings_.unknown = number;
      if (field.number == 41) settings_.bos = number;
      if (field.number == 42) settings_.eos = number;
    }
  }

  void read_normalizer(std::string_view bytes) {
    Message normalizer(bytes, origin_);
    for (Field field; normalizer.next(field);) {
      if (field.number == 2) settings_.has_rules = !field.bytes.empty();
      if (field.number == 3) settings_.dummy_prefix = field.value != 0;
      if (field.number == 4) settings_.remove_spaces = field.value != 0;
      if (field.number == 5) settings_.escape_spaces = field.value != 0;
    }
  }

  void check_settings() {
    if (settings_.model_type == 1) {
      vocabulary_.algorithm = Algorithm::kUnigram;
      vocabulary_.description = "SentencePiece unigram, from tokenizer.model";
    } else if (settings_.model_type == 2) {
      vocabulary_.algorithm = Algorithm::kScores;
      vocabulary_.description = "SentencePiece BPE, from tokenizer.model";
    } else {
      refuse("model_type", "1 (unigram) or 2 (BPE)", std::to_string(settings_.model_type));
    }
    if (settings_.has_rules)
      refuse("precompiled_charsmap", "none (normalisation 'identity')",
             "rules, which are not supported");
    if (settings_.remove_spaces)
      refuse("remove_extra_whitespaces", "false", "true, which is not supported");
    if (!settings_.escape_spaces)
      refuse("escape_whitespaces", "true", "false, which is not supported");
    if (settings_.space_as_suffix)
      refuse("treat_whitespace_as_suffix", "false", "true, which is not supported");
    vocabulary_.prefix = settings_.dummy_prefix ? SpacePrefix::kAlways : SpacePrefix::kNone;
    vocabulary_.strip_prefix = settings_.dummy_prefix;
    vocabulary_.fuse_unknown = true;
  }

  void read_piece(std::string_view bytes) {
    const std::size_t id = vocabulary_.tokens.size();
    if (id > static_cast<std::size_t>(kMaxTokenId))
      refuse("pieces", "at most " + std::to_string(kMaxTokenId + 1), "more");
    std::string_view text;
    float score = 0;
    std::uint64_t type = kNormalPiece;
    Message piece(bytes, origin_);
    for (Field field; piece.next(field);) {
      if (field.number == 1) text = field.bytes;
      if (field.number == 2) score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
      if (field.number == 3) type = field.value;
    }
    if (!std::isfinite(score))
      refuse("score of piece " + std::to_string(id), "a finite number", std::to_string(score));
    if (text.empty())
      refuse("piece " + std::to_string(id), "a text of one byte or more", "an empty one");
    vocabulary_.tokens.push_back(token_of(text, id, type));
    vocabulary_.tokens.back().score = score;
    if (type != kUnusedPiece) index_.add(text, static_cast<int>(id));
  }

  VocabularyToken token_of(std::string_view text, std::size_t id, std::uint64_t type) const {
    VocabularyToken token = sentencepiece_token(text);
    switch (type) {
      case kNormalPiece:
        return token;
      case kUnknownPiece:
      case kControlPiece:
        return {std::string(text), TokenKind::kControl};
      case kUserDefinedPiece:
        return {unmarked(text), TokenKind::kAdded};
      case kUnusedPiece:
        token.kind = TokenKind::kInert;
        return token;
      case kBytePiece:
        return byte_piece(text, id);
      default:
        refuse("type of piece " + std::to_string(id), "1 to 6", std::to_string(type));
    }
  }

  VocabularyToken byte_piece(std::string_view text, std::size_t id) const {
    const int byte = byte_of_token(text);
    if (byte < 0)
      refuse("piece " + std::to_string(id) + " (a byte)", "'<0x00>' to '<0xFF>'", quote_name(text));
    return {std::string(1, static_cast<char>(byte)),
            settings_.byte_fallback ? TokenKind::kByte : TokenKind::kInert};
  }

  // An id of the settings is that of a control or unknown piece, or there is no such token.
  int special(std::int64_t id) const {
    const bool good = id >= 0 && id < std::ssize(vocabulary_.tokens) &&
                      vocabulary_.tokens[static_cast<std::size_t>(id)].kind == TokenKind::kControl;
    return good ? static_cast<int>(id) : -1;
  }

  void finish() {
    vocabulary_.unknown = special(settings_.unknown);
    vocabulary_.bos = special(settings_.bos);
    vocabulary_.eos = special(settings_.eos);
    // The file does not say; the models that ship one begin with BOS.
    vocabulary_.add_bos = vocabulary_.bos >= 0;
  }

  std::string_view bytes_;
  const std::string& origin_;
  SpellingIndex index_;
  Settings settings_;
  Vocabulary vocabulary_;
};

}  // namespace

Vocabulary vocabulary_of_sentencepiece(std::string_view bytes, const std::string& origin) {
  return Reader(bytes, origin).read();
}

}  // namespace tern::engine
