#pragma once
// One published file onto this disk, whole and verified or not at all. What has arrived waits in
// FILE.<checksum>.part, from which the next attempt, or the next process, goes on; only what has
// the published checksum gets the file's own name.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "harness/digest.h"
#include "harness/fetch/http.h"

namespace tern::harness {

struct WantedFile {
  std::string name;  // for messages
  Url url;
  std::filesystem::path to;
  std::optional<std::int64_t> bytes;
  DigestKind digest = DigestKind::kSha256;
  std::string digest_prefix;  // hashed before the content (git's "blob N\0")
  std::string checksum;       // lower-case hex; empty: the source publishes none
};

class DownloadListener {
 public:
  virtual ~DownloadListener() = default;
  virtual void on_bytes(const WantedFile& file, std::int64_t have, std::int64_t arrived) = 0;
  virtual void on_note(const std::string& sentence) = 0;
};

struct DownloadOptions {
  HttpOptions http;
  int attempts = 5;    // in a row without a byte, before it gives up
  double pause_s = 1;  // before the second attempt; doubled for each further one
};

enum class Downloaded { kFetched, kWasThere };

// Throws Error (exit code 1) with what, where, expected and got. A file that is there already is
// verified and left alone; if it differs from the published one, that is an error too, since it may
// be the user's own.
Downloaded download(const WantedFile& file, const DownloadOptions& options,
                    DownloadListener& listener);

}  // namespace tern::harness
