#include "evals/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "evals/error.h"

namespace tern::evals {

namespace {

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

PCRE2_SPTR bytes(std::string_view text) {
  // PCRE2 wants a pointer even for no bytes.
  return reinterpret_cast<PCRE2_SPTR>(text.data() != nullptr ? text.data() : "");
}

pcre2_code* compile(std::string_view pattern, std::uint32_t options) {
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // whatever the library was built with
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(bytes(pattern), pattern.size(), options, &error, &offset, context.get());
  if (code == nullptr) {
    std::array<PCRE2_UCHAR, 128> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    throw Error("pattern " + std::string(pattern) +
                ": expected a regular expression, got an error at byte " + std::to_string(offset) +
                ": " + reinterpret_cast<const char*>(message.data()));
  }
  return code;
}

// Every code point in its other case, by PCRE2's "\L$0" or "\U$0": it knows Unicode's cases. The
// text as it is where it is not UTF-8.
std::string in_case(std::string_view text, std::string_view substitution) {
  static pcre2_code* const everything = compile("(?s).+", PCRE2_UTF);
  std::string result(3 * text.size() + 16, '\0');  // a code point's other case may be longer
  PCRE2_SIZE length = result.size();
  const int replaced =
      pcre2_substitute(everything, bytes(text), text.size(), 0, PCRE2_SUBSTITUTE_EXTENDED, nullptr,
                       nullptr, bytes(substitution), substitution.size(),
                       reinterpret_cast<PCRE2_UCHAR*>(result.data()), &length);
  if (replaced < 0) return std::string(text);
  result.resize(length);
  return result;
}

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

Regex::Regex(std::string_view pattern) : pattern_(pattern), code_(compile(pattern, 0)) {}

Regex::~Regex() { pcre2_code_free(code_); }

// After an empty match the next may begin at the same place, but must not be empty there again.
template <typename Visit>
void Regex::each_match(std::string_view text, Visit visit) const {
  const MatchData match(pcre2_match_data_create_from_pattern(code_, nullptr),
                        pcre2_match_data_free);
  PCRE2_SIZE start = 0;
  std::uint32_t options = 0;
  while (start <= text.size()) {
    const int found =
        pcre2_match(code_, bytes(text), text.size(), start, options, match.get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH) return;
    if (found < 0) {
      throw Error("pattern " + pattern_ + ": gave up on a text of " + std::to_string(text.size()) +
                  " bytes (PCRE2 error " + std::to_string(found) + ")");
    }
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match.get());
    visit(ends, found);
    start = ends[1];
    options = ends[0] == ends[1] ? PCRE2_NOTEMPTY_ATSTART : 0;
  }
}

std::vector<Regex::Groups> Regex::find_all(std::string_view text) const {
  std::uint32_t groups = 0;
  pcre2_pattern_info(code_, PCRE2_INFO_CAPTURECOUNT, &groups);
  std::vector<Groups> all;
  each_match(text, [&](const PCRE2_SIZE* ends, int found) {
    const auto part = [&](std::uint32_t g) {
      const bool took_part = static_cast<int>(g) < found && ends[2 * g] != PCRE2_UNSET;
      return took_part ? std::string(text.substr(ends[2 * g], ends[2 * g + 1] - ends[2 * g])) : "";
    };
    Groups& result = all.emplace_back();
    if (groups == 0) result.push_back(part(0));
    for (std::uint32_t g = 1; g <= groups; ++g) result.push_back(part(g));
  });
  return all;
}

std::string Regex::remove_all(std::string_view text) const {
  std::string kept;
  std::size_t copied = 0;
  each_match(text, [&](const PCRE2_SIZE* ends, int) {
    kept += text.substr(copied, ends[0] - copied);
    copied = ends[1];
  });
  return kept.append(text.substr(copied));
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), ascii_lower);
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(lower.begin(), lower.end(), is_ascii)) return lower;
  return in_case(lower, "\\L$0");
}

std::string capitalize(std::string_view text) {
  std::size_t first = std::min<std::size_t>(text.size(), 1);
  while (first < text.size() && (static_cast<unsigned char>(text[first]) & 0xc0U) == 0x80) ++first;
  return in_case(text.substr(0, first), "\\U$0") + lower_case(text.substr(first));
}

}  // namespace tern::evals
