#include "harness/record_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "harness/error.h"
#include "harness/kernel_benchmarks.h"

namespace tern::harness {

using nlohmann::json;

std::string read_record_file(const std::string& path) {
  if (path == "-") {
    return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: expected a file of records, got a folder", path));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("{}: could not be read: {}", path, std::strerror(errno)));
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<Record> parse_records(const std::string& text, const std::string& path) {
  std::vector<Record> records;
  const json whole = json::parse(text, nullptr, false);
  const auto guarded = [&](const std::string& where, auto&& make) {
    try {
      records.push_back(make());
    } catch (const Error& error) {
      throw Error(fmt::format("{}{}: {}", path, where, error.what()));
    }
  };
  const auto parse = [&](const std::string& item, const std::string& where) {
    guarded(where, [&] { return Record::parse(item); });
  };
  if (is_google_benchmark(whole)) {
    // Checked as any other record is.
    guarded("", [&] { return Record::parse(kernel_benchmark_record(whole).text()); });
  } else if (whole.is_array()) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      parse(whole[i].dump(), fmt::format(", record {}", i + 1));
    }
  } else if (!whole.is_discarded()) {
    parse(text, "");
  } else {
    std::size_t line = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string item = text.substr(begin, end - begin);
      begin = end + 1;
      ++line;
      if (item.find_first_not_of(" \t\r") == std::string::npos) continue;
      parse(item, fmt::format(", line {}", line));
    }
  }
  if (records.empty()) throw Error(fmt::format("{}: holds no record", path));
  return records;
}

}  // namespace tern::harness
