#include "harness/file_digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include "harness/error.h"

namespace tern::harness {

namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
      throw Error("libcrypto offers no SHA-256", 1);
    }
  }
  void add(const char* data, std::size_t size) { EVP_DigestUpdate(context_.get(), data, size); }
  std::string hex() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    std::string text;
    for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

FileDigest digest_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Sha256 sha256;
  FileDigest result;
  result.name = path.filename().string();
  std::vector<char> buffer(std::size_t{1} << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    sha256.add(buffer.data(), static_cast<std::size_t>(file.gcount()));
    result.bytes += file.gcount();
  }
  if (!file.eof()) throw Error(fmt::format("{} cannot be read for its fingerprint", path.string()));
  result.sha256 = sha256.hex();
  return result;
}

}  // namespace

std::string sha256_of(const std::string& text) {
  Sha256 sha256;
  sha256.add(text.data(), text.size());
  return sha256.hex();
}

std::vector<FileDigest> digest_model(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {digest_file(path)};
  std::vector<std::filesystem::path> parts;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::filesystem::path& part = entry.path();
    if (part.extension() == ".safetensors" || part.filename() == "config.json")
      parts.push_back(part);
  }
  std::sort(parts.begin(), parts.end());
  std::vector<FileDigest> digests;
  for (const std::filesystem::path& part : parts) digests.push_back(digest_file(part));
  return digests;
}

}  // namespace tern::harness
