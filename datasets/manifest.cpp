#include "datasets/manifest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "datasets/error.h"

namespace tern::datasets {

namespace {

constexpr std::string_view kGsm8kSource =
    "github.com/openai/grade-school-math, commit 3101c7d, grade_school_math/data";
// Its checksums: tensorflow/datasets, url_checksums/hellaswag.txt. Its rows: the published sizes of
// its splits.
constexpr std::string_view kHellaswagSource = "github.com/rowanz/hellaswag, commit a29ff8e, data";
constexpr std::string_view kPiqaSource =
    "github.com/ybisk/ybisk.github.io, commit 21edab4, piqa/data";
constexpr std::string_view kPiqaLicence = "none stated by the source";

constexpr std::string_view kGsm8kUrl =
    "https://raw.githubusercontent.com/openai/grade-school-math/"
    "3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/data/";
constexpr std::string_view kHellaswagUrl =
    "https://raw.githubusercontent.com/rowanz/hellaswag/"
    "a29ff8e9a04bba4bd6588223785ce105328adc57/data/";
constexpr std::string_view kPiqaUrl =
    "https://raw.githubusercontent.com/ybisk/ybisk.github.io/"
    "21edab439af693b961be2f069e8690a88d3b4e37/piqa/data/";

constexpr std::array<PublishedFile, 6> kManifest = {{
    {"gsm8k/test.jsonl", kGsm8kSource, kGsm8kUrl, "MIT",
     "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14", 1319},
    {"gsm8k/train.jsonl", kGsm8kSource, kGsm8kUrl, "MIT",
     "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465", 7473},
    {"hellaswag/hellaswag_train.jsonl", kHellaswagSource, kHellaswagUrl, "MIT",
     "dae5e69249868cb9fe4e23ff925c60b66169564cfb7072d793cd7356a2b69f8d", 39905},
    {"hellaswag/hellaswag_val.jsonl", kHellaswagSource, kHellaswagUrl, "MIT",
     "0aa3b88843990f3f10a97b9575c94d7b71fb2205240ba04ae4884d9e9c992588", 10042},
    {"piqa/valid-labels.lst", kPiqaSource, kPiqaUrl, kPiqaLicence,
     "b4192dc3a2a0363d9d60ccf79800cbbe2f32ebb17726efdde6970e0b8131bceb", 1838},
    {"piqa/valid.jsonl", kPiqaSource, kPiqaUrl, kPiqaLicence,
     "93503cc97c679e459b065c3d13e848282e44b2a25213985bed3e5d458abef72d", 1838},
}};

const PublishedFile* find_published(std::string_view file) {
  const auto found = std::find_if(kManifest.begin(), kManifest.end(),
                                  [&](const PublishedFile& known) { return known.file == file; });
  return found == kManifest.end() ? nullptr : &*found;
}

}  // namespace

std::span<const PublishedFile> manifest() { return kManifest; }

std::string url_of(const PublishedFile& file) {
  return std::string(file.folder_url) + std::string(file.file.substr(file.file.rfind('/') + 1));
}

std::string Provenance::difference() const {
  if (as_published()) return "";
  if (published == nullptr) {
    return file +
           ": no sha256 of it is known here, so nothing says whether it is the published file; "
           "got " +
           sha256 + " (" + std::to_string(rows) + " rows)";
  }
  return file + " is not the published file: expected sha256 " + std::string(published->sha256) +
         " (" + std::to_string(published->rows) + " rows), got " + sha256 + " (" +
         std::to_string(rows) + " rows); scores do not compare with those of others";
}

std::string read_file(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string content;
  if (file && !std::filesystem::is_directory(path)) {
    content.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (!file.bad()) return content;
  }
  throw FormatError(path.string() +
                    ": cannot be read: " + (errno != 0 ? std::strerror(errno) : "not a file"));
}

LoadedFile load_file(const std::filesystem::path& folder, std::string_view file) {
  LoadedFile loaded;
  loaded.path = folder / file;
  loaded.content = read_file(loaded.path);
  loaded.provenance.file = file;
  loaded.provenance.sha256 = sha256_hex(loaded.content);
  loaded.provenance.published = find_published(file);
  return loaded;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1)
    throw FormatError("libcrypto offers no SHA-256");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

}  // namespace tern::datasets
