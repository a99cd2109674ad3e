#pragma once
// Writes a GGUF v3 file: metadata first, then tensors streamed in the order they were declared, to
// a temporary name beside the target that is renamed into place by finish(). An unfinished writer
// leaves nothing behind, so a full disk or a kill never yields half a model under the asked name.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/formats/gguf.h"

namespace tern::engine {

class GgufWriter {
 public:
  explicit GgufWriter(std::filesystem::path target);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  // Metadata, in call order. Values are written as u32, f32, bool, string, and arrays of those
  // (u64 values that do not fit u32 as u64).
  void set(const std::string& key, const GgufValue& value);
  // shape outermost first. bytes must equal what the type and shape need.
  void declare_tensor(const std::string& name, DType type, const std::vector<std::int64_t>& shape);
  // Call once per declared tensor, in order, with exactly its bytes (may be given in several
  // pieces).
  void write(std::span<const std::byte> piece);
  // Flushes, fsyncs, renames. Throws Error when anything failed or a tensor is incomplete.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern::engine
