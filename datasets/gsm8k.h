#pragma once
// GSM8K (arXiv:2110.14168): grade-school word problems with worked solutions that end in "####
// NUMBER".

#include <filesystem>
#include <string>
#include <vector>

#include "datasets/manifest.h"

namespace tern::datasets {

struct Gsm8kItem {
  std::string question;
  std::string answer;  // the whole solution
};

enum class Gsm8kSplit { kTrain, kTest };

struct Gsm8k {
  std::vector<Gsm8kItem> items;  // never empty
  Provenance provenance;
};

// FOLDER/gsm8k/train.jsonl or test.jsonl. Throws FormatError.
Gsm8k load_gsm8k(const std::filesystem::path& folder, Gsm8kSplit split);

}  // namespace tern::datasets
