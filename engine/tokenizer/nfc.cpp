#include "engine/tokenizer/nfc.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer/utf8.h"

namespace tern::engine {
namespace {

// `second` 0: a single character. `composes`: NFC puts the two together again.
struct Decomposition {
  std::uint32_t code_point, first, second;
  bool composes;
};
struct ClassRange {
  std::uint32_t first, last;
  std::uint8_t combining_class;
};

#include "engine/tokenizer/nfc_tables.inl"

// Nothing below U+0300 changes or combines with what follows below U+0300.
constexpr char32_t kFirstCombining = 0x300;

// The Hangul syllables, by UAX #15's arithmetic.
constexpr char32_t kSyllables = 0xac00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11a7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

// A character with its combining class; a stray byte is a starter that combines with nothing.
struct Mark {
  char32_t code_point;
  std::uint8_t combining_class = 0;
  bool stray = false;
};

std::uint8_t class_of(char32_t code_point) {
  if (code_point < kFirstCombining) return 0;
  const auto* const range =
      std::upper_bound(std::begin(kClasses), std::end(kClasses), code_point,
                       [](char32_t value, const ClassRange& r) { return value < r.first; });
  if (range == std::begin(kClasses) || code_point > std::prev(range)->last) return 0;
  return std::prev(range)->combining_class;
}

void decompose(char32_t code_point, std::vector<Mark>& marks) {
  if (code_point >= kSyllables && code_point < kSyllables + kSyllableCount) {
    const char32_t index = code_point - kSyllables;
    marks.push_back({kLeads + index / (kVowelCount * kTailCount)});
    marks.push_back({kVowels + index % (kVowelCount * kTailCount) / kTailCount});
    if (index % kTailCount != 0) marks.push_back({kTails + index % kTailCount});
    return;
  }
  const auto* const found =
      std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), code_point,
                       [](const Decomposition& d, char32_t value) { return d.code_point < value; });
  if (found == std::end(kDecompositions) || found->code_point != code_point) {
    marks.push_back({code_point, class_of(code_point)});
    return;
  }
  decompose(found->first, marks);
  if (found->second != 0) decompose(found->second, marks);
}

std::uint64_t pair_of(char32_t first, char32_t second) {
  return std::uint64_t{first} << 32 | second;
}

// 0: the two do not compose.
char32_t compose(char32_t first, char32_t second) {
  static const std::unordered_map<std::uint64_t, char32_t> pairs = [] {
    std::unordered_map<std::uint64_t, char32_t> all;
    for (const Decomposition& d : kDecompositions) {
      if (d.composes && d.second != 0) all.emplace(pair_of(d.first, d.second), d.code_point);
    }
    return all;
  }();
  if (first - kLeads < kLeadCount && second - kVowels < kVowelCount)
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  if (first - kSyllables < kSyllableCount && (first - kSyllables) % kTailCount == 0 &&
      second > kTails && second < kTails + kTailCount) {
    return first + (second - kTails);
  }
  const auto found = pairs.find(pair_of(first, second));
  return found == pairs.end() ? 0 : found->second;
}

// Runs of combining characters, each in the order of its classes.
void reorder(std::span<Mark> marks) {
  for (auto begin = marks.begin(); begin != marks.end();) {
    const auto starter = [](const Mark& mark) { return mark.combining_class == 0; };
    begin = std::find_if_not(begin, marks.end(), starter);
    const auto end = std::find_if(begin, marks.end(), starter);
    std::stable_sort(begin, end, [](const Mark& a, const Mark& b) {
      return a.combining_class < b.combining_class;
    });
    begin = end;
  }
}

// A character joins the last starter unless one of its class or a higher one, or another starter,
// stands between them.
void recompose(std::vector<Mark>& marks) {
  std::size_t kept = 0;
  std::size_t starter = SIZE_MAX;
  for (const Mark mark : marks) {
    if (starter != SIZE_MAX && !mark.stray) {
      const bool adjacent = starter + 1 == kept;
      const std::uint8_t between = adjacent ? 0 : marks[kept - 1].combining_class;
      const bool blocked = !adjacent && between >= mark.combining_class;
      const char32_t composed = blocked ? 0 : compose(marks[starter].code_point, mark.code_point);
      if (composed != 0) {
        marks[starter].code_point = composed;
        continue;
      }
    }
    if (mark.combining_class == 0) starter = mark.stray ? SIZE_MAX : kept;
    marks[kept++] = mark;
  }
  marks.resize(kept);
}

bool has_combining(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0xcc; });
}

}  // namespace

std::string_view to_nfc(std::string_view text, std::string& scratch) {
  if (!has_combining(text)) return text;  // 0xcc leads U+0300
  std::vector<Mark> marks;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text.substr(at));
    if (length == 0) {
      marks.push_back({static_cast<unsigned char>(text[at]), 0, true});
    } else {
      decompose(code_point_of(text.substr(at, length)), marks);
    }
    at += std::max<std::size_t>(length, 1);
  }
  reorder(marks);
  recompose(marks);
  scratch.clear();
  for (const Mark& mark : marks) {
    if (mark.stray) {
      scratch += static_cast<char>(mark.code_point);
    } else {
      append_utf8(mark.code_point, scratch);
    }
  }
  return scratch;
}

}  // namespace tern::engine
