#include <algorithm>
#include <limits>
#include <string>

#include "engine/tokenizer/piece_encoder.h"
#include "engine/tokenizer/piece_index.h"
#include "engine/tokenizer/utf8.h"

namespace tern::engine {
namespace {

constexpr double kUnknownPenalty = 10;  // SentencePiece's kUnkPenalty

struct Piece {
  std::string_view text;
  int id;
};

class UnigramEncoder final : public PieceEncoder {
 public:
  explicit UnigramEncoder(const Vocabulary& vocabulary) : index_(vocabulary) {
    double lowest = std::numeric_limits<double>::infinity();
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
      const VocabularyToken& token = vocabulary.tokens[id];
      if (!token.piece || token.kind == TokenKind::kInert) continue;
      pieces_.push_back({token.bytes, static_cast<int>(id)});
      lowest = std::min(lowest, double{token.score});
    }
    unknown_score_ = (pieces_.empty() ? 0 : lowest) - kUnknownPenalty;
    std::sort(pieces_.begin(), pieces_.end(),
              [](const Piece& a, const Piece& b) { return a.text < b.text; });
  }

  void encode(std::string_view text, std::vector<int>& ids) const override {
    std::vector<Node> best(text.size() + 1);
    best[0].reached = true;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = character_length(text.substr(at));
      extend(text, at, length, best);
      at += length;
    }
    append(text, best, ids);
  }

 private:
  // The best segmentation that ends here, by its last piece. id -1: a character that is no piece.
  struct Node {
    double score = 0;
    std::size_t begin = 0;
    int id = -1;
    bool reached = false;
  };

  static void offer(Node& node, double score, std::size_t begin, int id) {
    if (!node.reached || score > node.score) node = {score, begin, id, true};
  }

  // Every piece that begins at `at`, short ones first, and the character alone.
  void extend(std::string_view text, std::size_t at, std::size_t character,
              std::vector<Node>& best) const {
    const double score = best[at].score;
    bool alone = false;
    auto low = pieces_.begin();
    auto high = pieces_.end();
    for (std::size_t length = 1; low != high && at + length <= text.size(); ++length) {
      // Narrows down to the pieces whose first `length` bytes are those of the text.
      const auto byte = static_cast<unsigned char>(text[at + length - 1]);
      const auto byte_of = [&](const Piece& piece) {
        return static_cast<unsigned char>(piece.text[length - 1]);
      };
      while (low != high && low->text.size() < length) ++low;  // what ended a byte before
      low = std::partition_point(low, high, [&](const Piece& p) { return byte_of(p) < byte; });
      high = std::partition_point(low, high, [&](const Piece& p) { return byte_of(p) <= byte; });
      if (low == high || low->text.size() != length) continue;
      offer(best[at + length], score + double{index_.score(low->id)}, at, low->id);
      alone = alone || length == character;
    }
    if (!alone) offer(best[at + character], score + unknown_score_, at, -1);
  }

  void append(std::string_view text, const std::vector<Node>& best, std::vector<int>& ids) const {
    std::vector<std::size_t> ends;
    for (std::size_t end = text.size(); end > 0; end = best[end].begin) ends.push_back(end);
    bool unknown = false;
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
      const Node& node = best[*end];
      if (node.id < 0) {
        index_.append_missing(text.substr(node.begin, *end - node.begin), ids, unknown);
      } else {
        ids.push_back(node.id);
        unknown = false;
      }
    }
  }

  PieceIndex index_;
  std::vector<Piece> pieces_;  // sorted by text
  double unknown_score_ = 0;
};

}  // namespace

std::unique_ptr<PieceEncoder> make_unigram_encoder(const Vocabulary& vocabulary) {
  return std::make_unique<UnigramEncoder>(vocabulary);
}

}  // namespace tern::engine
