#pragma once
// A folder of datasets that goes away with its test.

#include <filesystem>
#include <string>

#include "tests/engine/temporary_folder.h"

namespace tern::tests {

class TemporaryData {
 public:
  const std::filesystem::path& folder() const noexcept { return folder_.path(); }

  // `file` as in "gsm8k/test.jsonl".
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((folder_ / file).parent_path());
    folder_.write(file, text);
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace tern::tests
