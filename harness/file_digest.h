#pragma once
// Fingerprints of the files a model was read from: a record names its model by content, not by
// path.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tern::harness {

struct FileDigest {
  std::string name;  // without folder
  std::int64_t bytes = 0;
  std::string sha256;
};

// One file, or the files of a model folder (weights and config.json), sorted by name. Throws Error
// when one cannot be read.
std::vector<FileDigest> digest_model(const std::filesystem::path& path);

}  // namespace tern::harness
