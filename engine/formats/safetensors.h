#pragma once
// Safetensors: a folder in Hugging Face form (config.json plus model.safetensors, or several shards
// with model.safetensors.index.json), or one .safetensors file. Knows bytes, not transformers.
// Every length and offset is checked before use.

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/mapped_file.h"
#include "engine/tensor.h"

namespace tern::engine {

class SafetensorsFile {
 public:
  // A folder or a single file. Throws Error.
  explicit SafetensorsFile(const std::filesystem::path& path);
  // One shard's bytes, which outlive the object. For tests and the fuzzer.
  SafetensorsFile(std::span<const std::byte> bytes, std::string origin);

  const std::string& origin() const noexcept { return origin_; }
  // Text of config.json; empty when a single file was opened.
  const std::string& config_json() const noexcept { return config_json_; }

  std::span<const TensorView> tensors() const noexcept { return tensors_; }
  const TensorView* find(std::string_view name) const noexcept;  // nullptr when absent

  // MappedFile::drop_pages of every file.
  void drop_pages() const noexcept {
    for (const MappedFile& file : files_) file.drop_pages();
  }

 private:
  void parse(std::span<const std::byte> bytes, const std::string& shard);

  std::string origin_;
  std::string config_json_;
  std::vector<MappedFile> files_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace tern::engine
