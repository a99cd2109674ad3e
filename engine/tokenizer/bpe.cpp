#include "engine/tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "engine/error.h"

namespace tern::engine {
namespace {

constexpr std::uint64_t kEmpty = std::numeric_limits<std::uint64_t>::max();  // ids are never -1
constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();

std::uint64_t pair_of(int left, int right) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

// Heaps keep the largest in front: the lowest rank, then the leftmost.
bool later(const PairMerger::Scratch::Candidate& a,
           const PairMerger::Scratch::Candidate& b) noexcept {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
}

}  // namespace

MergeTable::MergeTable(const std::vector<Merge>& merges) {
  const std::size_t size = std::bit_ceil(2 * merges.size() + 2);
  shift_ = 64 - std::countr_zero(size);
  slots_.assign(size, {kEmpty, {kNoRank, -1}});
  for (const Merge& merge : merges) {
    const std::uint64_t pair = pair_of(merge.left, merge.right);
    std::size_t slot = first_slot(pair);
    while (slots_[slot].pair != kEmpty && slots_[slot].pair != pair) slot = (slot + 1) & (size - 1);
    if (slots_[slot].pair == kEmpty) slots_[slot] = {pair, {merge.rank, merge.result}};
  }
}

std::size_t MergeTable::first_slot(std::uint64_t pair) const noexcept {
  return static_cast<std::size_t>(pair * 0x9e3779b97f4a7c15 >> shift_);  // 2^64 / golden ratio
}

MergeTable::Found MergeTable::find(int left, int right) const noexcept {
  const std::uint64_t pair = pair_of(left, right);
  std::size_t slot = first_slot(pair);
  while (slots_[slot].pair != kEmpty && slots_[slot].pair != pair)
    slot = (slot + 1) & (slots_.size() - 1);
  return slots_[slot].found;
}

void PairMerger::push(Scratch& scratch, std::uint32_t at) const {
  const Scratch::Symbol& left = scratch.symbols[at];
  if (left.next == kEnd) return;
  const int right = scratch.symbols[left.next].token;
  const MergeTable::Found found = merges_.find(left.token, right);
  if (found.rank == MergeTable::kNoRank) return;
  scratch.heap.push_back({found.rank, at, left.token, right});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), later);
}

void PairMerger::merge_all(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), later);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Scratch::Symbol& left = symbols[best.at];
    // A candidate is stale when one of its two has been merged meanwhile.
    if (left.token != best.left || left.next == kEnd || symbols[left.next].token != best.right)
      continue;
    Scratch::Symbol& right = symbols[left.next];
    left.token = merges_.find(best.left, best.right).result;
    left.next = right.next;
    right.token = -1;
    if (left.next != kEnd) symbols[left.next].previous = best.at;
    if (left.previous != kEnd) push(scratch, left.previous);
    push(scratch, best.at);
  }
}

void PairMerger::merge(std::vector<int>& ids, Scratch& scratch) const {
  if (scratch.tokens.size() >= kEnd) {
    throw Error("text: expected less than 4 Gi bytes without a break, got " +
                std::to_string(scratch.tokens.size()));
  }
  scratch.symbols.clear();
  scratch.heap.clear();
  const auto count = static_cast<std::uint32_t>(scratch.tokens.size());
  for (std::uint32_t i = 0; i < count; ++i)
    scratch.symbols.push_back(
        {scratch.tokens[i], i == 0 ? kEnd : i - 1, i + 1 < count ? i + 1 : kEnd});
  for (std::uint32_t i = 0; i + 1 < count; ++i) push(scratch, i);
  merge_all(scratch);
  for (std::uint32_t at = 0; at != kEnd && at < count; at = scratch.symbols[at].next)
    ids.push_back(scratch.symbols[at].token);
}

BytePairEncoder::BytePairEncoder(const Vocabulary& vocabulary) : merger_(vocabulary.merges) {
  byte_token_.fill(-1);
  if (vocabulary.ignore_merges) whole_.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const VocabularyToken& token = vocabulary.tokens[id];
    if (token.kind != TokenKind::kNormal) continue;
    if (token.bytes.size() == 1)
      byte_token_[static_cast<unsigned char>(token.bytes[0])] = static_cast<int>(id);
    if (vocabulary.ignore_merges) whole_.emplace(token.bytes, static_cast<int>(id));
  }
}

void BytePairEncoder::encode(std::string_view piece, std::vector<int>& ids,
                             Scratch& scratch) const {
  if (const auto whole = whole_.find(piece); whole != whole_.end()) {
    ids.push_back(whole->second);
    return;
  }
  scratch.tokens.clear();
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte_token_[byte] < 0) {
      throw Error("text: expected bytes that the vocabulary has tokens for, got byte " +
                  std::to_string(byte));
    }
    scratch.tokens.push_back(byte_token_[byte]);
  }
  merger_.merge(ids, scratch);
}

}  // namespace tern::engine
