#pragma once
// A tokenizer as small as can be, with the vocabulary of synth:tiny: a token per byte, one merge
// ("ab"), and two special tokens. For tests of what is built on tokenizers.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace tern::harness {

class ByteTokenizer final : public engine::Tokenizer {
 public:
  static constexpr int kMerged = 256;  // "ab"
  static constexpr int kBos = 510, kEos = 511;

  explicit ByteTokenizer(int vocab = 512, std::string eos_text = "<eos>")
      : vocab_(vocab), eos_text_(std::move(eos_text)) {}

  std::vector<int> encode(std::string_view text, bool parse_special) const override {
    std::vector<int> ids;
    while (!text.empty()) {
      std::size_t used = 1;
      if (parse_special && text.starts_with("<bos>")) {
        ids.push_back(kBos), used = 5;
      } else if (parse_special && text.starts_with(eos_text_)) {
        ids.push_back(kEos), used = eos_text_.size();
      } else if (text.starts_with("ab")) {
        ids.push_back(kMerged), used = 2;
      } else {
        ids.push_back(static_cast<unsigned char>(text[0]));
      }
      text.remove_prefix(used);
    }
    return ids;
  }

  std::string decode(const std::vector<int>& ids, bool skip_special) const override {
    std::string text;
    for (const int id : ids) {
      if (id < 256) {
        text += static_cast<char>(id);
      } else if (id == kMerged) {
        text += "ab";
      } else if (id < kBos) {
        text += static_cast<char>('a' + id % 26);  // so that every token of a model has a text
      } else if (!skip_special) {
        text += id == kBos ? "<bos>" : eos_text_;
      }
    }
    return text;
  }

  int vocab() const noexcept override { return vocab_; }
  int bos() const noexcept override { return kBos; }
  int eos() const noexcept override { return kEos; }
  bool add_bos() const noexcept override { return true; }
  const std::string& description() const noexcept override { return description_; }

 private:
  int vocab_;
  std::string eos_text_;
  std::string description_ = "bytes";
};

}  // namespace tern::harness
