#include "harness/fetch/datasets.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "datasets/manifest.h"
#include "harness/error.h"

namespace tern::harness {

namespace {

Url url_of_file(const datasets::PublishedFile& file) {
  const char* mirror = std::getenv("TERN_DATASETS_MIRROR");
  if (mirror == nullptr || *mirror == '\0') return parse_url(datasets::url_of(file), "manifest");
  Url url = parse_url(mirror, "TERN_DATASETS_MIRROR");
  if (!url.target.ends_with('/')) url.target += '/';
  url.target += file.file;
  return url;
}

std::vector<WantedFile> wanted_files(const std::string& name, const std::filesystem::path& folder) {
  std::vector<WantedFile> files;
  for (const datasets::PublishedFile& file : datasets::manifest()) {
    if (!file.file.starts_with(name + "/")) continue;
    WantedFile& wanted = files.emplace_back();
    wanted.name = file.file;
    wanted.url = url_of_file(file);
    wanted.to = folder / file.file;
    wanted.checksum = file.sha256;
  }
  if (!files.empty()) return files;
  throw Error(
      fmt::format("--fetch: {} has no public file whose checksum is known; put its files "
                  "into {} by hand",
                  name, (folder / name).string()));
}

}  // namespace

void fetch_datasets(std::span<const std::string> names, const std::filesystem::path& folder,
                    const DownloadOptions& options, DownloadListener& listener) {
  std::vector<WantedFile> all;
  for (const std::string& name : names) {
    for (WantedFile& file : wanted_files(name, folder)) all.push_back(std::move(file));
  }
  for (const WantedFile& file : all) {
    const Downloaded how = download(file, options, listener);
    listener.on_note(fmt::format("{} (sha256 {}){}", file.to.string(), file.checksum,
                                 how == Downloaded::kWasThere ? " was there" : ""));
  }
}

}  // namespace tern::harness
