#include "harness/command_usage.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tern::harness {
namespace {

using nlohmann::json;

bool plain(const std::string& word) {
  constexpr std::string_view kPlain = "%+,-./:=@_^";
  return !word.empty() && std::all_of(word.begin(), word.end(), [&](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || kPlain.find(c) != std::string_view::npos;
  });
}

std::string quoted(const std::string& word) {
  if (plain(word)) return word;
  std::string text = "'";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
  }
  return text + "'";
}

}  // namespace

json to_json(const CommandUsage& usage) {
  json object = {{"status", usage.why.empty() ? "ok" : "failed"},
                 {"exit_code", usage.exit_code},
                 {"user_ns", usage.user_ns},
                 {"system_ns", usage.system_ns}};
  if (usage.signal != 0) object["signal"] = usage.signal;
  if (usage.peak_rss_bytes > 0) object["peak_rss_bytes"] = usage.peak_rss_bytes;
  if (!usage.why_no_peak.empty()) object["why_no_peak_rss"] = usage.why_no_peak;
  if (!usage.why.empty()) object["why"] = usage.why;
  return object;
}

CommandUsage command_usage_from_json(const json& object) {
  CommandUsage usage;
  usage.exit_code = object.at("exit_code").get<int>();
  usage.user_ns = object.at("user_ns").get<std::int64_t>();
  usage.system_ns = object.at("system_ns").get<std::int64_t>();
  usage.signal = object.value("signal", 0);
  usage.peak_rss_bytes = object.value("peak_rss_bytes", std::int64_t{0});
  usage.why_no_peak = object.value("why_no_peak_rss", "");
  usage.why = object.value("why", "");
  return usage;
}

std::string command_line_text(const std::vector<std::string>& argv, std::size_t most) {
  std::string text;
  for (const std::string& word : argv) text += (text.empty() ? "" : " ") + quoted(word);
  if (text.size() <= most) return text;
  std::size_t end = most;
  // Not in the middle of a character of UTF-8.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace tern::harness
