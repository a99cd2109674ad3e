#pragma once
// Checksums of what arrives in pieces.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tern::harness {

enum class DigestKind : std::uint8_t { kSha256, kSha1 };
const char* name(DigestKind kind) noexcept;  // "sha256", "sha1"

class Digest {
 public:
  // Throws Error (exit code 1) when libcrypto offers none of that kind.
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::string_view bytes);
  std::string hex();  // lower case; once, at the end

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// 64 hex digits.
std::string sha256_of(const std::string& text);

}  // namespace tern::harness
