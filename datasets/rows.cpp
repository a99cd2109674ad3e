#include "datasets/rows.h"

#include <charconv>

#include "datasets/error.h"
#include "datasets/jsonl.h"

namespace tern::datasets {

namespace {

std::int64_t parse_label(std::string_view text, const JsonlPlace& place) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  const std::size_t last = text.find_last_not_of(" \t\r");
  text = text.substr(first, last - first + 1);  // a line that is not blank
  std::int64_t label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw FormatError(place.text() + ": expected a label, a whole number, got \"" +
                      std::string(text.substr(0, 20)) + "\"");
  }
  return label;
}

}  // namespace

std::string Rows::place(std::size_t i) const {
  return JsonlPlace{path.native(), rows.at(i).line}.text();
}

Rows load_rows(const std::filesystem::path& folder, std::string_view file) {
  LoadedFile loaded = load_file(folder, file);
  Rows rows;
  rows.path = loaded.path;
  each_line(loaded.content, rows.path.native(),
            [&](const JsonlPlace& place, std::string_view text) {
              Value value = parse_value(text, place.text());
              if (value.object() == nullptr) {
                throw FormatError(place.text() + ": expected a JSON object, got a JSON " +
                                  value.type_name());
              }
              rows.rows.push_back({std::move(value), place.line});
            });
  if (rows.rows.empty())
    throw FormatError(rows.path.string() + ": expected at least one row, got none");
  rows.provenance = std::move(loaded.provenance);
  rows.provenance.rows = static_cast<std::int64_t>(rows.rows.size());
  return rows;
}

Provenance add_labels(const std::filesystem::path& folder, std::string_view file,
                      std::string_view key, Rows& rows) {
  LoadedFile loaded = load_file(folder, file);
  std::vector<std::int64_t> labels;
  each_line(loaded.content, loaded.path.native(),
            [&](const JsonlPlace& place, std::string_view text) {
              labels.push_back(parse_label(text, place));
            });
  if (labels.size() != rows.rows.size()) {
    throw FormatError(loaded.path.string() + ": expected " + std::to_string(rows.rows.size()) +
                      " labels, as " + rows.path.string() + " has rows, got " +
                      std::to_string(labels.size()));
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    auto& members = std::get<Value::Object>(rows.rows[i].value.data);
    std::erase_if(members, [&](const Member& member) { return member.key == key; });
    members.push_back({std::string(key), labels[i]});
  }
  loaded.provenance.rows = static_cast<std::int64_t>(labels.size());
  return std::move(loaded.provenance);
}

}  // namespace tern::datasets
