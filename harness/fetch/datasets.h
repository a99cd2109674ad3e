#pragma once
// The public files of evaluation tasks onto this disk: those the manifest knows, verified.

#include <filesystem>
#include <span>
#include <string>

#include "harness/fetch/download.h"

namespace tern::harness {

// Into folder/FILE, each as datasets::manifest() names it. TERN_DATASETS_MIRROR, a URL, is asked
// for MIRROR/FILE instead of the publishers. Throws Error where a task has no public file, or one
// cannot be had.
void fetch_datasets(std::span<const std::string> tasks, const std::filesystem::path& folder,
                    const DownloadOptions& options, DownloadListener& listener);

}  // namespace tern::harness
