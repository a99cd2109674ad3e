#include "datasets/piqa.h"

#include <algorithm>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "datasets/error.h"
#include "datasets/jsonl.h"

namespace tern::datasets {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// One "0" or "1" per line.
std::vector<int> parse_labels(const LoadedFile& file) {
  std::vector<int> labels;
  std::string_view rest = file.content;
  for (int line = 1; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view label = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (label.empty()) continue;
    if (label != "0" && label != "1") {
      throw FormatError(file.path.string() + ", line " + std::to_string(line) +
                        ": expected the label 0 or 1, got \"" + std::string(label.substr(0, 20)) +
                        "\"");
    }
    labels.push_back(label == "1" ? 1 : 0);
  }
  return labels;
}

}  // namespace

Piqa load_piqa(const std::filesystem::path& folder) {
  LoadedFile questions = load_file(folder, "piqa/valid.jsonl");
  LoadedFile labels = load_file(folder, "piqa/valid-labels.lst");
  Piqa data;
  parse_jsonl(questions.content, questions.path.string(),
              [&](const JsonlPlace& place, const nlohmann::json& line) {
                data.items.push_back(
                    {string_field(place, line, "goal"),
                     {string_field(place, line, "sol1"), string_field(place, line, "sol2")},
                     0});
              });
  if (data.items.empty())
    throw FormatError(questions.path.string() + ": expected at least one question, got none");
  const std::vector<int> values = parse_labels(labels);
  if (values.size() != data.items.size()) {
    throw FormatError(labels.path.string() + ": expected " + std::to_string(data.items.size()) +
                      " labels, as " + questions.path.string() + " has questions, got " +
                      std::to_string(values.size()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) data.items[i].label = values[i];
  data.questions = std::move(questions.provenance);
  data.labels = std::move(labels.provenance);
  data.questions.rows = data.labels.rows = static_cast<std::int64_t>(values.size());
  return data;
}

}  // namespace tern::datasets
