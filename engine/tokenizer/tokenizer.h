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

  // The bytes of the tokens, concatenated. Special tokens give their text, or nothing with
  // skip_special.
  virtual std::string decode(const std::vector<int>& ids, bool skip_special) const = 0;

  virtual int vocab() const noexcept = 0;
  virtual int bos() const noexcept = 0;       // -1: none
  virtual int eos() const noexcept = 0;       // -1: none
  virtual bool add_bos() const noexcept = 0;  // whether prompts begin with BOS
  // "llama-bpe, from GGUF; the file names no pre-tokenizer", for reports.
  virtual const std::string& description() const noexcept = 0;
};

// A GGUF file (with or without weights), a Hugging Face folder, a tokenizer.json or a file of
// tiktoken ranks. Throws Error when the file has no tokenizer or one of a kind this version lacks.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);

}  // namespace tern::engine
