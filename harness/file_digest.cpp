#include "harness/file_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "harness/digest.h"
#include "harness/error.h"

namespace tern::harness {

namespace {

FileDigest digest_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Digest sha256(DigestKind::kSha256);
  FileDigest result;
  result.name = path.filename().string();
  std::vector<char> buffer(std::size_t{1} << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    sha256.add({buffer.data(), static_cast<std::size_t>(file.gcount())});
    result.bytes += file.gcount();
  }
  if (!file.eof()) throw Error(fmt::format("{} cannot be read for its fingerprint", path.string()));
  result.sha256 = sha256.hex();
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
