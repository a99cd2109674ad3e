#include "harness/system_files.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace tern::harness {
namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\0";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

}  // namespace

SystemFiles::SystemFiles(std::string sysroot) : root_(std::move(sysroot)) {
  if (!root_.ends_with('/')) root_ += '/';
}

bool SystemFiles::exists(const std::string& path) const {
  std::error_code ignored;
  return std::filesystem::exists(root_ + path, ignored);
}

std::optional<std::string> SystemFiles::text(const std::string& path) const {
  constexpr std::size_t kMost = 1u << 20;
  std::ifstream file(root_ + path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string content;
  std::array<char, 4096> chunk;
  do {
    file.read(chunk.data(), chunk.size());
    content.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
  } while (file && content.size() < kMost);
  if (!file.eof() && file.fail()) return std::nullopt;
  while (!content.empty() && (content.back() == '\n' || content.back() == '\0')) content.pop_back();
  return content;
}

std::optional<std::int64_t> SystemFiles::number(const std::string& path) const {
  const std::optional<std::string> content = text(path);
  if (!content) return std::nullopt;
  std::int64_t value = 0;
  const char* end = content->data() + content->size();
  const auto result = std::from_chars(content->data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

std::vector<std::string> SystemFiles::numbered(const std::string& folder,
                                               const std::string& prefix) const {
  std::vector<std::pair<int, std::string>> found;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_ + folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    int number = 0;
    const char* end = name.data() + name.size();
    const auto result = std::from_chars(name.data() + prefix.size(), end, number);
    if (result.ec == std::errc() && result.ptr == end) found.emplace_back(number, name);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  for (auto& [number, name] : found) names.push_back(std::move(name));
  return names;
}

std::optional<std::string> colon_value(const std::string& text, const std::string& key) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && trimmed(line.substr(0, colon)) == key) {
      return trimmed(line.substr(colon + 1));
    }
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace tern::harness
