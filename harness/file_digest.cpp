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

FileDigest digest_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) {
    throw Error("libcrypto offers no SHA-256", 1);
  }
  FileDigest result;
  result.name = path.filename().string();
  std::vector<char> buffer(std::size_t{1} << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(file.gcount()));
    result.bytes += file.gcount();
  }
  if (!file.eof()) throw Error(fmt::format("{} cannot be read for its fingerprint", path.string()));
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  for (const unsigned char byte : digest) result.sha256 += fmt::format("{:02x}", byte);
  return result;
}

}  // namespace

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
