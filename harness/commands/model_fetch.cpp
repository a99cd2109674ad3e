// tern model fetch: a model repository of the Hugging Face hub onto this disk, every file verified,
// going on where an earlier attempt ended. Prints the path that -m takes.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/command.h"
#include "harness/data_home.h"
#include "harness/error.h"
#include "harness/fetch/hub.h"
#include "harness/fetch/transfer_progress.h"
#include "harness/parse_command.h"
#include "harness/report_file.h"

namespace tern::harness {
namespace {

namespace fs = std::filesystem;

struct FetchOptions {
  std::string repository;
  std::string revision = "main";
  std::vector<std::string> patterns;
  fs::path out;
  bool list = false;
  double timeout_s = 30;
};

// False when help was asked for.
bool read_options(const std::vector<std::string>& args, FetchOptions& o) {
  CLI::App app(
      "Downloads a model from the Hugging Face hub (HF_TOKEN: for gated ones; HF_ENDPOINT: a "
      "mirror)",
      "tern model fetch");
  app.add_option("REPO", o.repository, "OWNER/NAME")->required();
  app.add_option("--revision", o.revision, "Branch, tag or commit")->capture_default_str();
  app.add_option("--file", o.patterns,
                 "Only files that match, e.g. '*.gguf'; may be given again (default: safetensors "
                 "with configuration and tokenizer, or the one GGUF file)");
  app.add_option("--out", o.out, "Folder (default: $XDG_DATA_HOME/tern/models/OWNER/NAME)");
  app.add_flag("--list", o.list, "Print the names and sizes of the repository's files, fetch none");
  app.add_option("--timeout", o.timeout_s, "Seconds to wait for a connection, or for more bytes")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  if (!parse_command(app, args)) return false;
  check_repository_id(o.repository);
  if (o.revision.empty()) throw Error("--revision: expected a branch, tag or commit, got nothing");
  return true;
}

fs::path folder_of(const FetchOptions& o) {
  if (!o.out.empty()) return o.out;
  if (const auto home = data_home()) return *home / "models" / o.repository;
  throw Error("no place for models: neither XDG_DATA_HOME nor HOME is set; give --out DIR");
}

void print_list(const HubRepository& repository) {
  for (const HubFile& file : repository.files) fmt::print("{:>14}  {}\n", file.bytes, file.name);
}

// What came from where, for whoever finds the folder later.
void write_origin(const fs::path& folder, const HubOptions& hub, const HubRepository& repository,
                  const std::vector<HubFile>& files) {
  nlohmann::ordered_json origin = {{"endpoint", hub.endpoint.text()},
                                   {"repository", repository.id},
                                   {"commit", repository.commit},
                                   {"files", nlohmann::ordered_json::array()}};
  for (const HubFile& file : files) {
    origin["files"].push_back(
        {{"name", file.name},
         {"bytes", file.bytes},
         {file.digest == DigestKind::kSha1 ? "git_blob" : "sha256", file.checksum}});
  }
  ReportFile((folder / "tern.origin.json").string()).write(origin.dump(2) + "\n");
}

// What -m takes: the folder of safetensors, else the (first) GGUF file.
fs::path model_path(const fs::path& folder, const std::vector<HubFile>& files) {
  for (const HubFile& file : files) {
    if (file.name.ends_with(".safetensors")) return folder;
  }
  for (const HubFile& file : files) {
    if (file.name.ends_with(".gguf")) return folder / file.name;
  }
  return folder;
}

}  // namespace

int run_model_fetch(const std::vector<std::string>& args) {
  FetchOptions o;
  if (!read_options(args, o)) return 0;
  HubOptions hub = hub_options_from_environment();
  hub.http.wait_s = o.timeout_s;
  const HubRepository repository = ask_hub(hub, o.repository, o.revision);
  if (o.list) {
    print_list(repository);
    return 0;
  }
  const std::vector<HubFile> files = choose_files(repository, o.patterns);
  const fs::path folder = folder_of(o);
  TransferProgress progress("tern model fetch");
  for (const HubFile& file : files) {
    const Downloaded how =
        download(wanted(hub, repository, file, folder), {.http = hub.http}, progress);
    progress.on_note(fmt::format("{} ({} bytes, {} {}){}", file.name, file.bytes,
                                 file.digest == DigestKind::kSha1 ? "git blob" : "sha256",
                                 file.checksum, how == Downloaded::kWasThere ? " was there" : ""));
  }
  write_origin(folder, hub, repository, files);
  fmt::print("{}\n", model_path(folder, files).string());
  return 0;
}

}  // namespace tern::harness
