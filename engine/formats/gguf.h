#pragma once
// GGUF v2 and v3, little endian: metadata and tensors of a file somebody else wrote. Knows bytes,
// not transformers. Every count, length, offset and type is checked before it is used; nothing is
// allocated from an unchecked number. Layout: the ggml project's docs/gguf.md; type ids: formats.md
// section 2.3.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/mapped_file.h"
#include "engine/tensor.h"

namespace tern::engine {

// Integers of every width become (u)int64, f32 and f64 become double. Arrays of numbers and strings
// only; an array of arrays is refused.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string,
                               std::vector<std::uint64_t>, std::vector<std::int64_t>,
                               std::vector<double>, std::vector<bool>, std::vector<std::string>>;

class GgufFile {
 public:
  // Throws Error: "<what> in <path>: expected …, got …".
  explicit GgufFile(const std::filesystem::path& path);
  // Parses bytes that outlive the object; `origin` names them in messages. For tests and the
  // fuzzer.
  GgufFile(std::span<const std::byte> bytes, std::string origin);

  const std::string& origin() const noexcept { return origin_; }
  std::uint32_t version() const noexcept { return version_; }

  const std::map<std::string, GgufValue>& metadata() const noexcept { return metadata_; }
  // Typed look-ups: nullopt when the key is absent; Error when it has another type or does not fit.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;  // integers too
  std::optional<std::string> string(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;

  // In file order. Names are unique, byte ranges lie inside the file and do not overlap.
  std::span<const TensorView> tensors() const noexcept { return tensors_; }
  const TensorView* find(std::string_view name) const noexcept;  // nullptr when absent

  // MappedFile::drop_pages, where there is a file.
  void drop_pages() const noexcept {
    if (file_.has_value()) file_->drop_pages();
  }

 private:
  void parse(std::span<const std::byte> bytes);

  std::string origin_;
  std::optional<MappedFile> file_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue> metadata_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace tern::engine
