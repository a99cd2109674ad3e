#pragma once
// Where the questions come from, and whether a file on disk is the one its authors published. A
// file that differs is loaded all the same: the difference is a value for the record, not an error.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tern::datasets {

// A file as published.
struct PublishedFile {
  std::string_view file;  // relative to the folder of all datasets: "gsm8k/test.jsonl"
  std::string_view source;
  std::string_view folder_url;  // the file lies there under the last part of its name
  std::string_view licence;
  std::string_view sha256;
  std::int64_t rows = 0;
};
std::span<const PublishedFile> manifest();
std::string url_of(const PublishedFile& file);

// A file as found.
struct Provenance {
  std::string file;  // relative, as in PublishedFile
  std::string sha256;
  std::int64_t rows = 0;
  const PublishedFile* published = nullptr;  // null: the manifest does not know this file

  bool as_published() const { return published != nullptr && published->sha256 == sha256; }
  // One sentence for a warning, empty when as published.
  std::string difference() const;
};

// The bytes of a file. Throws FormatError when it cannot be read.
std::string read_file(const std::filesystem::path& path);

// A file of the manifest's layout, FOLDER/FILE, and its provenance, whose rows the loader counts.
struct LoadedFile {
  std::filesystem::path path;
  std::string content;
  Provenance provenance;
};
LoadedFile load_file(const std::filesystem::path& folder, std::string_view file);

// SHA-256 in lower-case hexadecimal.
std::string sha256_hex(std::string_view bytes);

}  // namespace tern::datasets
