#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>

#include "engine/error.h"
#include "engine/tokenizer/piece_encoder.h"
#include "engine/tokenizer/piece_index.h"
#include "engine/tokenizer/utf8.h"

namespace tern::engine {
namespace {

constexpr std::uint32_t kEnd = std::numeric_limits<std::uint32_t>::max();

// A stretch of the text. size 0: merged into its left neighbour.
struct Symbol {
  std::uint32_t begin, size, previous, next;
};

// Symbols `left` and `right` side by side are a piece of `size` bytes.
struct Candidate {
  float score;
  std::uint32_t left, right, size;
};

// Heaps keep the largest in front: the highest score, then the leftmost.
bool later(const Candidate& a, const Candidate& b) noexcept {
  return a.score != b.score ? a.score < b.score : a.left > b.left;
}

// The merging of one text.
class Merging {
 public:
  Merging(std::string_view text, const PieceIndex& index) : text_(text), index_(index) {
    if (text.size() >= kEnd) {
      throw Error("text: expected less than 4 GiB between special tokens, got " +
                  std::to_string(text.size()) + " bytes");
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = character_length(text.substr(at));
      const auto i = static_cast<std::uint32_t>(symbols_.size());
      symbols_.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size),
                          i == 0 ? kEnd : i - 1, i + 1});
      at += size;
    }
    if (!symbols_.empty()) symbols_.back().next = kEnd;
  }

  void run(std::vector<int>& ids) {
    for (std::uint32_t i = 0; i + 1 < symbols_.size(); ++i) push(i, i + 1);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const Candidate best = heap_.back();
      heap_.pop_back();
      merge(best);
    }
    for (std::uint32_t i = symbols_.empty() ? kEnd : 0; i != kEnd; i = symbols_[i].next)
      append(text_.substr(symbols_[i].begin, symbols_[i].size), ids);
  }

 private:
  void push(std::uint32_t left, std::uint32_t right) {
    if (left == kEnd || right == kEnd) return;
    const Symbol& a = symbols_[left];
    const std::string_view both = text_.substr(a.begin, std::size_t{a.size} + symbols_[right].size);
    const int id = index_.find(both);
    if (id < 0) return;
    heap_.push_back({index_.score(id), left, right, static_cast<std::uint32_t>(both.size())});
    std::push_heap(heap_.begin(), heap_.end(), later);
    if (index_.unused(id)) cuts_[both] = a.size;
  }

  void merge(const Candidate& best) {
    Symbol& left = symbols_[best.left];
    Symbol& right = symbols_[best.right];
    // Symbols only grow: a candidate whose sizes no longer add up has been overtaken.
    if (left.size == 0 || right.size == 0 || left.size + right.size != best.size) return;
    left.size = best.size;
    left.next = right.next;
    right.size = 0;
    if (left.next != kEnd) symbols_[left.next].previous = best.left;
    push(left.previous, best.left);
    push(best.left, left.next);
  }

  void append(std::string_view piece, std::vector<int>& ids) {
    const int id = index_.find(piece);
    if (id < 0) return index_.append_missing(piece, ids, unknown_);
    const auto cut = index_.unused(id) ? cuts_.find(piece) : cuts_.end();
    if (cut != cuts_.end()) {
      append(piece.substr(0, cut->second), ids);
      append(piece.substr(cut->second), ids);
      return;
    }
    ids.push_back(id);
    unknown_ = false;
  }

  std::string_view text_;
  const PieceIndex& index_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
  std::unordered_map<std::string_view, std::size_t> cuts_;  // where unused pieces were put together
  bool unknown_ = false;
};

class ScoreEncoder final : public PieceEncoder {
 public:
  explicit ScoreEncoder(const Vocabulary& vocabulary) : index_(vocabulary) {}

  void encode(std::string_view text, std::vector<int>& ids) const override {
    Merging(text, index_).run(ids);
  }

 private:
  PieceIndex index_;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_score_encoder(const Vocabulary& vocabulary) {
  return std::make_unique<ScoreEncoder>(vocabulary);
}

}  // namespace tern::engine
