#pragma once
// The files of a model repository on the Hugging Face hub, or on a mirror with its interface
// (GET /api/models/REPO/revision/REVISION?blobs=true, GET /REPO/resolve/COMMIT/FILE), and which of
// them a model needs. What a server says is not trusted: names that leave the folder, missing sizes
// and malformed checksums are refused.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/fetch/download.h"

namespace tern::harness {

struct HubFile {
  std::string name;  // path within the repository
  std::int64_t bytes = 0;
  // Large files have a sha256, small ones git's name of the blob: sha1 of "blob BYTES\0" + content.
  DigestKind digest = DigestKind::kSha1;
  std::string checksum;
};

struct HubRepository {
  std::string id;      // "owner/name"
  std::string commit;  // 40 hex digits: the revision asked for, as of now
  std::vector<HubFile> files;
};

struct HubOptions {
  Url endpoint;
  HttpOptions http;
};

// HF_ENDPOINT (https://huggingface.co) and HF_TOKEN, as the hub's own programs read them.
HubOptions hub_options_from_environment();

// Throws Error (exit code 2) unless it is OWNER/NAME in the hub's letters.
void check_repository_id(const std::string& id);

HubRepository ask_hub(const HubOptions& hub, const std::string& id, const std::string& revision);

// Its answer, understood. Throws Error (exit code 1) naming what is wrong with it.
HubRepository parse_hub_answer(const std::string& id, std::string_view json);

// What a model of this repository needs. `patterns` (fnmatch, e.g. "*.gguf") take exactly what they
// match; without any, the safetensors with configuration and tokenizer, or the one GGUF file.
// Throws Error (exit code 2) listing the files where nothing matches or the choice is the user's.
std::vector<HubFile> choose_files(const HubRepository& repository,
                                  std::span<const std::string> patterns);

WantedFile wanted(const HubOptions& hub, const HubRepository& repository, const HubFile& file,
                  const std::filesystem::path& folder);

}  // namespace tern::harness
