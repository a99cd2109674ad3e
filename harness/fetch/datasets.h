#pragma once
// The public files of evaluation tasks onto this disk: those the manifest knows, verified.

#include <filesystem>
#include <span>
#include <string>

#include "harness/fetch/download.h"

namespace tern::harness {

// The folders of these names (gsm8k, piqa), into folder/FILE, each as datasets::manifest() names
// it. TERN_DATASETS_MIRROR, a URL, is asked for MIRROR/FILE instead of the publishers. Throws Error
// where a folder has no public file, or one cannot be had.
void fetch_datasets(std::span<const std::string> names, const std::filesystem::path& folder,
                    const DownloadOptions& options, DownloadListener& listener);

}  // namespace tern::harness
