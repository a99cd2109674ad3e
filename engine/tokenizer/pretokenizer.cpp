#include "engine/tokenizer/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "engine/error.h"
#include "engine/tokenizer/utf8.h"

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

// The parts that Llama 3 and Qwen 2 have in common, around their numbers.
#define CONTRACTIONS_AND_WORDS       \
  R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)" \
  R"([^\r\n)" LETTERS NUMBERS R"(]?[)" LETTERS R"(]+|)"
#define SYMBOLS_AND_SPACES                         \
  R"( ?[^)" SPACES LETTERS NUMBERS R"(]+[\r\n]*|)" \
  R"([)" SPACES R"(]*[\r\n]+|)"                    \
  R"([)" SPACES R"(]+(?![^)" SPACES R"(])|)"       \
  R"([)" SPACES R"(]+)"

constexpr std::string_view kLlama3Pattern =
    CONTRACTIONS_AND_WORDS R"([)" NUMBERS R"(]{1,3}|)" SYMBOLS_AND_SPACES;
constexpr std::string_view kQwen2Pattern =
    CONTRACTIONS_AND_WORDS R"([)" NUMBERS R"(]|)" SYMBOLS_AND_SPACES;
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?[)" LETTERS R"(]+| ?[)" NUMBERS R"(]+|)"
    R"( ?[^)" SPACES LETTERS NUMBERS R"(]+|)"
    R"([)" SPACES R"(]+(?![^)" SPACES R"(])|)"
    R"([)" SPACES R"(]+)";

#undef CONTRACTIONS_AND_WORDS
#undef SYMBOLS_AND_SPACES
#undef LETTERS
#undef NUMBERS
#undef SPACES

constexpr std::uint32_t kMatchOptions = PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK;

struct Rule {
  SplitRule rule;
  std::string_view name, regex, pattern;
};

constexpr std::array<Rule, 3> kRules = {{
    {SplitRule::kLlama3, "llama-bpe",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     kLlama3Pattern},
    {SplitRule::kQwen2, "qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
     R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     kQwen2Pattern},
    {SplitRule::kGpt2, "gpt-2",
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", kGpt2Pattern},
}};

const Rule& row(SplitRule rule) { return kRules[static_cast<std::size_t>(rule)]; }

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

std::string_view regex_of(SplitRule rule) { return row(rule).regex; }
std::string_view name(SplitRule rule) { return row(rule).name; }

std::optional<SplitRule> split_rule_of(std::string_view regex) {
  for (const Rule& rule : kRules) {
    if (rule.regex == regex) return rule.rule;
  }
  return std::nullopt;
}

struct Pretokenizer::Regex {
  pcre2_code* code = nullptr;
  std::unique_ptr<pcre2_match_context, FreeContext> context{pcre2_match_context_create(nullptr)};
  ~Regex() { pcre2_code_free(code); }
};

Pretokenizer::Pretokenizer(SplitRule rule) : regex_(std::make_unique<Regex>()) {
  const std::string_view pattern = row(rule).pattern;
  int error = 0;
  PCRE2_SIZE at = 0;
  regex_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
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
