#include "datasets/gsm8k.h"

#include <nlohmann/json_fwd.hpp>

#include "datasets/error.h"
#include "datasets/jsonl.h"

namespace tern::datasets {

Gsm8k load_gsm8k(const std::filesystem::path& folder, Gsm8kSplit split) {
  LoadedFile file =
      load_file(folder, split == Gsm8kSplit::kTrain ? "gsm8k/train.jsonl" : "gsm8k/test.jsonl");
  Gsm8k data;
  parse_jsonl(file.content, file.path.string(),
              [&](const JsonlPlace& place, const nlohmann::json& line) {
                data.items.push_back(
                    {string_field(place, line, "question"), string_field(place, line, "answer")});
              });
  if (data.items.empty())
    throw FormatError(file.path.string() + ": expected at least one question, got none");
  data.provenance = std::move(file.provenance);
  data.provenance.rows = static_cast<std::int64_t>(data.items.size());
  return data;
}

}  // namespace tern::datasets
