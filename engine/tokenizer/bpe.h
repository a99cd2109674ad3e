#pragma once
// Byte-pair encoding of one piece of text: bytes become tokens, and the adjacent pair of lowest
// rank merges (the leftmost of equals) until none does. Immutable and thread-safe.

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {

// Finds the merge of two tokens: open addressing, because every byte of a text asks at least once.
class MergeTable {
 public:
  struct Found {
    std::uint32_t rank;
    int result;
  };
  static constexpr std::uint32_t kNoRank = UINT32_MAX;

  explicit MergeTable(const std::vector<Merge>& merges);
  Found find(int left, int right) const noexcept;  // rank kNoRank when they do not merge

 private:
  struct Slot {
    std::uint64_t pair;
    Found found;
  };
  std::size_t first_slot(std::uint64_t pair) const noexcept;
  std::vector<Slot> slots_;  // a power of two
  int shift_ = 0;
};

// Merges adjacent tokens, the pair of lowest rank first and of equals the leftmost, until no two of
// them merge.
class PairMerger {
 public:
  explicit PairMerger(const std::vector<Merge>& merges) : merges_(merges) {}

  // What merging works on, kept between texts so that they do not allocate.
  struct Scratch {
    struct Symbol {
      int token;  // -1: merged into its left neighbour
      std::uint32_t previous, next;
    };
    struct Candidate {
      std::uint32_t rank, at;
      int left, right;
    };
    std::vector<int> tokens;
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // Appends what becomes of scratch.tokens (ids from 0), in n log n.
  void merge(std::vector<int>& ids, Scratch& scratch) const;

 private:
  void push(Scratch& scratch, std::uint32_t at) const;
  void merge_all(Scratch& scratch) const;

  MergeTable merges_;
};

class BytePairEncoder {
 public:
  using Scratch = PairMerger::Scratch;

  // Keeps references into `vocabulary`, which must outlive it.
  explicit BytePairEncoder(const Vocabulary& vocabulary);

  // Appends the ids of `piece`. Throws Error when the vocabulary lacks a byte.
  void encode(std::string_view piece, std::vector<int>& ids, Scratch& scratch) const;

 private:
  PairMerger merger_;
  std::array<int, 256> byte_token_{};  // -1: none
  std::unordered_map<std::string_view, int> whole_;
};

}  // namespace tern::engine
