#pragma once
// Text to token ids and back, exactly as the model's own tokenizer does it. Immutable and
// thread-safe after construction.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tern::engine {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // No BOS is added. With parse_special, the text of special tokens ("<|eot_id|>") becomes their
  // ids; without, it is plain text. Text need not be valid UTF-8.
  virtual std::vector<int> encode(std::string_view text, bool parse_special) const = 0;

  // The bytes of a complete text: those of its tokens, concatenated, without the space that
  // SentencePiece puts in front of a text. Special tokens give their text, or nothing with
  // skip_special.
  virtual std::string decode(const std::vector<int>& ids, bool skip_special) const = 0;
  // The bytes that one token adds to a text that has begun, or of its first token, the space in
  // front included. Characters may be cut anywhere: those of several tokens belong together.
  virtual std::string piece(int id, bool skip_special) const { return decode({id}, skip_special); }

  virtual int vocab() const noexcept = 0;
  virtual int bos() const noexcept = 0;       // -1: none
  virtual int eos() const noexcept = 0;       // -1: none
  virtual bool add_bos() const noexcept = 0;  // whether prompts begin with BOS
  // Whether complete texts end with EOS. Prompts, which are to be continued, never do.
  virtual bool add_eos() const noexcept { return false; }
  // "llama-bpe, from GGUF; the file names no pre-tokenizer", for reports.
  virtual const std::string& description() const noexcept = 0;
  // What a user should know about the file, as a sentence; empty: nothing.
  virtual std::string warning() const { return {}; }
};

// A GGUF file (with or without weights), a Hugging Face folder, a tokenizer.json, a tokenizer.model
// of SentencePiece or a file of tiktoken ranks. Throws Error when the file has no tokenizer or one
// of a kind this version lacks.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

}  // namespace tern::engine
