#pragma once
// Model containers built byte by byte, so that tests and the fuzzers' seeds can get any part of
// them wrong.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tern::tests {

template <typename T>
std::string le(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

inline std::string gguf_string(const std::string& text) {
  return le<std::uint64_t>(text.size()) + text;
}

// A metadata pair: value type number and the value's bytes.
inline std::string gguf_pair(const std::string& key, std::uint32_t type, const std::string& value) {
  return gguf_string(key) + le(type) + value;
}

inline std::string gguf_array(std::uint32_t element_type, std::uint64_t count,
                              const std::string& values) {
  return le(element_type) + le(count) + values;
}

struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> ne;  // the file's order: row length first
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::optional<std::uint32_t> n_dims = std::nullopt;  // when it shall not be ne.size()
};

struct GgufSpec {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> n_tensors = std::nullopt;  // when it shall not be the true number
  std::optional<std::uint64_t> n_pairs = std::nullopt;
  std::vector<std::string> pairs;
  std::vector<GgufTensor> tensors;
  std::size_t alignment = 32;
  std::string data;

  std::string bytes() const {
    std::string out = magic + le(version) + le<std::uint64_t>(n_tensors.value_or(tensors.size())) +
                      le<std::uint64_t>(n_pairs.value_or(pairs.size()));
    for (const std::string& pair : pairs) out += pair;
    for (const GgufTensor& t : tensors) {
      out += gguf_string(t.name) + le(t.n_dims.value_or(static_cast<std::uint32_t>(t.ne.size())));
      for (const std::uint64_t d : t.ne) out += le(d);
      out += le(t.type) + le(t.offset);
    }
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    return out + data;
  }
};

inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return le<std::uint64_t>(header.size()) + header + data;
}

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace tern::tests
