#include "engine/tokenizer/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <cstdint>
#include <limits>
#include <string>

#include "engine/error.h"

namespace tern::engine {
namespace {

// What Unicode 15 added, for PCRE2 10.40 to 10.42, whose tables are those of Unicode 14.
#define LETTERS                                                                         \
  R"(\p{L}\x{1123F}-\x{11240}\x{11F02}\x{11F04}-\x{11F10}\x{11F12}-\x{11F33}\x{1342F})" \
  R"(\x{13441}-\x{13446}\x{1B132}\x{1B155}\x{1DF25}-\x{1DF2A}\x{1E030}-\x{1E06D})"      \
  R"(\x{1E4D0}-\x{1E4EB}\x{2B739}\x{31350}-\x{323AF})"
#define NUMBERS R"(\p{N}\x{11F50}-\x{11F59}\x{1D2C0}-\x{1D2D3}\x{1E4F0}-\x{1E4F9})"
// Unicode's White_Space. PCRE2's \s also takes U+180E, which has not been a space since
// Unicode 6.3.
#define SPACES \
  R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"

constexpr char kPattern[] = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)"
                            R"([^\r\n)" LETTERS NUMBERS R"(]?[)" LETTERS R"(]+|)"
                            R"([)" NUMBERS R"(]{1,3}|)"
                            R"( ?[^)" SPACES LETTERS NUMBERS R"(]+[\r\n]*|)"
                            R"([)" SPACES R"(]*[\r\n]+|)"
                            R"([)" SPACES R"(]+(?![^)" SPACES R"(])|)"
                            R"([)" SPACES R"(]+)";

#undef LETTERS
#undef NUMBERS
#undef SPACES

constexpr std::uint32_t kMatchOptions = PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK;

// The length of the well-formed UTF-8 sequence at the start of `text`; 0 when there is none.
// Unicode 15, table 3-7.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const unsigned second = byte(1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool surrogate = lead == 0xed && second >= 0xa0;
  const bool beyond = lead == 0xf4 && second >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

// The same text with each stray byte replaced by a control character, which the regular expression
// treats as it treats U+FFFD; offsets stay the same. Returns whether there was a stray byte.
bool replace_stray_bytes(std::string_view text, std::string& clean) {
  constexpr char kPlaceholder = '\x01';
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(text.substr(i));
    if (length == 0) {
      clean.append(text, copied, i - copied);
      clean += kPlaceholder;
      copied = i + 1;
    }
    i += length == 0 ? 1 : length;
  }
  if (copied == 0) return false;
  clean.append(text, copied);
  return true;
}

std::string message(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

const std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Pretokenizer::Regex {
  pcre2_code* code = nullptr;
  std::unique_ptr<pcre2_match_context, FreeContext> context{pcre2_match_context_create(nullptr)};
  ~Regex() { pcre2_code_free(code); }
};

Pretokenizer::Pretokenizer() : regex_(std::make_unique<Regex>()) {
  int error = 0;
  PCRE2_SIZE at = 0;
  regex_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kPattern), sizeof(kPattern) - 1,
                               PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr);
  if (regex_->code == nullptr) {
    throw Error("regular expression of the tokenizer: expected PCRE2 to compile it, got '" +
                message(error) + "' at " + std::to_string(at));
  }
  // Where the system lets nobody make code at run time, PCRE2 interprets instead.
  pcre2_jit_compile(regex_->code, PCRE2_JIT_COMPLETE);
  // Steps are counted over a whole run of spaces, however long; the expression itself is linear.
  pcre2_set_match_limit(regex_->context.get(), std::numeric_limits<std::uint32_t>::max());
}

Pretokenizer::~Pretokenizer() = default;

std::vector<std::size_t> Pretokenizer::split(std::string_view text) const {
  std::vector<std::size_t> ends;
  if (text.empty()) return ends;
  std::string clean;
  const std::string_view subject = replace_stray_bytes(text, clean) ? clean : text;
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create(1, nullptr));
  const PCRE2_SIZE* const offsets = pcre2_get_ovector_pointer(match.get());
  const auto run = [&](std::size_t from, std::uint32_t options) {
    return pcre2_match(regex_->code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(),
                       from, kMatchOptions | options, match.get(), regex_->context.get());
  };
  ends.reserve(subject.size() / 4 + 1);
  for (std::size_t from = 0; from < subject.size(); from = offsets[1]) {
    int result = run(from, 0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = run(from, PCRE2_NO_JIT);
    if (result < 0 || offsets[1] <= from) {
      throw Error("text at byte " + std::to_string(from) + ": expected a piece, got '" +
                  message(result) + "' from PCRE2");
    }
    ends.push_back(offsets[1]);
  }
  return ends;
}

}  // namespace tern::engine
