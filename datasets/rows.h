#pragma once
// Datasets as their authors distribute them: JSON Lines, and lists of labels beside them. Every row
// remembers its line, so that whatever is wrong with it later can be said with its place.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/manifest.h"
#include "datasets/value.h"

namespace tern::datasets {

struct Row {
  Value value;   // an object
  int line = 0;  // from 1
};

struct Rows {
  std::filesystem::path path;
  std::vector<Row> rows;  // never empty
  Provenance provenance;

  // "DIR/gsm8k/test.jsonl, line 3", of row i.
  std::string place(std::size_t i) const;
};

// FOLDER/FILE. Throws FormatError when the file cannot be read, has a line that is no JSON object,
// or has no row at all.
Rows load_rows(const std::filesystem::path& folder, std::string_view file);

// FOLDER/FILE, a whole number per line, put under `key` of the rows, one each. Returns the file's
// provenance. Throws FormatError when a line is no whole number, or their number is another.
Provenance add_labels(const std::filesystem::path& folder, std::string_view file,
                      std::string_view key, Rows& rows);

}  // namespace tern::datasets
