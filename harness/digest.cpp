#include "harness/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "harness/error.h"

namespace tern::harness {

struct Digest::Impl {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                  EVP_MD_CTX_free};
};

const char* name(DigestKind kind) noexcept {
  return kind == DigestKind::kSha256 ? "sha256" : "sha1";
}

Digest::Digest(DigestKind kind) : impl_(std::make_unique<Impl>()) {
  const EVP_MD* algorithm = kind == DigestKind::kSha256 ? EVP_sha256() : EVP_sha1();
  if (impl_->context == nullptr ||
      EVP_DigestInit_ex(impl_->context.get(), algorithm, nullptr) != 1) {
    throw Error(fmt::format("libcrypto offers no {}", name(kind)), 1);
  }
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::string_view bytes) {
  EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size());
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_DigestFinal_ex(impl_->context.get(), digest.data(), &length);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sha256_of(const std::string& text) {
  Digest digest(DigestKind::kSha256);
  digest.add(text);
  return digest.hex();
}

}  // namespace tern::harness
