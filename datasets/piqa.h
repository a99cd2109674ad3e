#pragma once
// PIQA (arXiv:1911.11641): a goal and two ways towards it, one of which works. The validation
// split, since the labels of the test split are not published.

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/manifest.h"

namespace tern::datasets {

struct PiqaItem {
  std::string goal;
  std::array<std::string, 2> solutions;
  int label = 0;  // the solution that works: 0 or 1
};

struct Piqa {
  std::vector<PiqaItem> items;  // never empty
  Provenance questions, labels;
};

// FOLDER/piqa/valid.jsonl with FOLDER/piqa/valid-labels.lst. Throws FormatError.
Piqa load_piqa(const std::filesystem::path& folder);

}  // namespace tern::datasets
