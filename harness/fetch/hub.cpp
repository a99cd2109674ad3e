#include "harness/fetch/hub.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "harness/error.h"

namespace tern::harness {

namespace {

using nlohmann::json;

constexpr std::size_t kMostAnswerBytes = std::size_t{32} << 20;
constexpr std::size_t kMostName = 255;
constexpr std::size_t kListed = 20;  // files named in a message
constexpr std::size_t kSha1Digits = 40;
constexpr std::size_t kSha256Digits = 64;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_id_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

bool is_id_part(std::string_view part) {
  return !part.empty() && part.size() <= kMostName && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), is_id_letter);
}

// Segments without "..", ".", empty ones, backslashes and control characters: it stays in the
// folder and on the terminal.
bool is_safe_name(std::string_view name) {
  if (name.empty()) return false;
  std::size_t begin = 0;
  while (begin <= name.size()) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    const bool clean = std::all_of(part.begin(), part.end(), [](char c) {
      return static_cast<unsigned char>(c) >= ' ' && c != '\x7f' && c != '\\';
    });
    if (part.empty() || part == "." || part == ".." || part.size() > kMostName || !clean)
      return false;
    begin = end + 1;
  }
  return true;
}

[[noreturn]] void refuse(const std::string& id, const std::string& expected) {
  throw Error(fmt::format("{}: expected {} from the hub, got something else", id, expected), 1);
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t bytes_of(const json& object) {
  const auto found = object.find("size");
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

HubFile parse_file(const std::string& id, const json& sibling) {
  HubFile file;
  if (!sibling.is_object()) refuse(id, "an object for each file");
  file.name = text_of(sibling, "rfilename");
  if (!is_safe_name(file.name)) refuse(id, "names of files that stay in their folder");
  const auto lfs = sibling.find("lfs");
  const bool large = lfs != sibling.end() && lfs->is_object();
  file.bytes = bytes_of(large ? *lfs : sibling);
  file.digest = large ? DigestKind::kSha256 : DigestKind::kSha1;
  file.checksum = text_of(large ? *lfs : sibling, large ? "sha256" : "blobId");
  if (file.bytes < 0) refuse(id, "the size of " + file.name);
  if (!is_hex(file.checksum, large ? kSha256Digits : kSha1Digits))
    refuse(id, fmt::format("the {} of {}", name(file.digest), file.name));
  return file;
}

std::string list_of(const std::vector<HubFile>& files) {
  std::string list;
  for (std::size_t i = 0; i < std::min(files.size(), kListed); ++i)
    list += fmt::format("{}{}", i == 0 ? "" : ", ", files[i].name);
  if (files.size() > kListed) list += fmt::format(" and {} more", files.size() - kListed);
  return list.empty() ? "none" : list;
}

bool in_root(const HubFile& file) { return file.name.find('/') == std::string::npos; }

// What stands beside weights and is read with them, here or by others.
bool is_companion(const HubFile& file) {
  static constexpr std::string_view kNames[] = {
      "config.json",         "generation_config.json",
      "tokenizer.json",      "tokenizer_config.json",
      "tokenizer.model",     "special_tokens_map.json",
      "chat_template.jinja", "vocab.json",
      "merges.txt",          "model.safetensors.index.json"};
  return std::find(std::begin(kNames), std::end(kNames), file.name) != std::end(kNames);
}

std::vector<HubFile> matching(const HubRepository& repository,
                              std::span<const std::string> patterns) {
  std::vector<HubFile> chosen;
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (const HubFile& file : repository.files) {
      if (::fnmatch(pattern.c_str(), file.name.c_str(), 0) != 0) continue;
      any = true;
      const bool there = std::any_of(chosen.begin(), chosen.end(),
                                     [&](const HubFile& f) { return f.name == file.name; });
      if (!there) chosen.push_back(file);
    }
    if (!any) {
      throw Error(fmt::format("--file: expected files of {} that match '{}', got none of: {}",
                              repository.id, pattern, list_of(repository.files)));
    }
  }
  return chosen;
}

}  // namespace

HubOptions hub_options_from_environment() {
  HubOptions hub;
  const std::string endpoint = environment("HF_ENDPOINT");
  hub.endpoint = parse_url(endpoint.empty() ? "https://huggingface.co" : endpoint, "HF_ENDPOINT");
  while (hub.endpoint.target.ends_with('/')) hub.endpoint.target.pop_back();
  hub.http.token = environment("HF_TOKEN");
  hub.http.token_origin = hub.endpoint.origin();
  const bool printable = std::all_of(hub.http.token.begin(), hub.http.token.end(),
                                     [](char c) { return c > ' ' && c < '\x7f'; });
  if (!printable) throw Error("HF_TOKEN: expected printable characters without spaces");
  return hub;
}

void check_repository_id(const std::string& id) {
  const std::size_t slash = id.find('/');
  if (slash != std::string::npos && is_id_part(std::string_view(id).substr(0, slash)) &&
      is_id_part(std::string_view(id).substr(slash + 1))) {
    return;
  }
  throw Error(fmt::format("repository: expected OWNER/NAME, got '{}'", id.substr(0, 100)));
}

HubRepository parse_hub_answer(const std::string& id, std::string_view text) {
  const json answer = json::parse(text, nullptr, false);
  if (!answer.is_object()) refuse(id, "a JSON object");
  HubRepository repository;
  repository.id = id;
  repository.commit = text_of(answer, "sha");
  if (!is_hex(repository.commit, kSha1Digits)) refuse(id, "a commit of 40 hex digits");
  const auto siblings = answer.find("siblings");
  if (siblings == answer.end() || !siblings->is_array()) refuse(id, "a list of files");
  for (const json& sibling : *siblings) repository.files.push_back(parse_file(id, sibling));
  return repository;
}

HubRepository ask_hub(const HubOptions& hub, const std::string& id, const std::string& revision) {
  check_repository_id(id);
  Url url = hub.endpoint;
  url.target += fmt::format("/api/models/{}/revision/{}?blobs=true", id, url_escape(revision));
  const std::string what = fmt::format("{} (revision {}) at {}", id, revision, url.origin());
  return parse_hub_answer(id, http_text(url, hub.http, kMostAnswerBytes, what));
}

std::vector<HubFile> choose_files(const HubRepository& repository,
                                  std::span<const std::string> patterns) {
  if (!patterns.empty()) return matching(repository, patterns);
  std::vector<HubFile> weights, gguf, companions;
  for (const HubFile& file : repository.files) {
    if (file.name.ends_with(".gguf")) gguf.push_back(file);
    if (in_root(file) && file.name.ends_with(".safetensors")) weights.push_back(file);
    if (is_companion(file)) companions.push_back(file);
  }
  if (!weights.empty()) {
    weights.insert(weights.begin(), companions.begin(), companions.end());
    return weights;
  }
  if (gguf.size() == 1) return gguf;
  throw Error(fmt::format("{}: expected safetensors or one GGUF file, got {}; choose with --file",
                          repository.id, list_of(gguf.empty() ? repository.files : gguf)));
}

WantedFile wanted(const HubOptions& hub, const HubRepository& repository, const HubFile& file,
                  const std::filesystem::path& folder) {
  WantedFile wanted;
  wanted.name = file.name;
  wanted.url = hub.endpoint;
  wanted.url.target += fmt::format("/{}/resolve/{}", repository.id, repository.commit);
  for (std::size_t begin = 0; begin <= file.name.size();) {
    const std::size_t end = std::min(file.name.find('/', begin), file.name.size());
    wanted.url.target += "/" + url_escape(std::string_view(file.name).substr(begin, end - begin));
    begin = end + 1;
  }
  wanted.to = folder / file.name;
  wanted.bytes = file.bytes;
  wanted.digest = file.digest;
  wanted.checksum = file.checksum;
  if (file.digest == DigestKind::kSha1)
    wanted.digest_prefix = fmt::format("blob {}", file.bytes) + '\0';
  return wanted;
}

}  // namespace tern::harness
