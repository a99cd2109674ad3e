// Which kind of file a tokenizer comes from.
#include <algorithm>
#include <string>
#include <system_error>

#include "engine/error.h"
#include "engine/formats/gguf.h"
#include "engine/mapped_file.h"
#include "engine/tokenizer/byte_level_tokenizer.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;

std::string_view text_of(const MappedFile& file, const fs::path& path) {
  if (file.bytes().size() > kMaxTextBytes) {
    refuse_vocabulary("size", path.string(), "at most " + std::to_string(kMaxTextBytes) + " bytes",
                      std::to_string(file.bytes().size()));
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

Vocabulary read_json(const fs::path& path) {
  const MappedFile file(path);
  const fs::path config = path.parent_path() / "tokenizer_config.json";
  std::error_code ignored;
  if (!fs::exists(config, ignored))
    return vocabulary_of_json(text_of(file, path), path.string(), "", "");
  const MappedFile config_file(config);
  return vocabulary_of_json(text_of(file, path), path.string(), text_of(config_file, config),
                            config.string());
}

Vocabulary read_folder(const fs::path& folder) {
  const fs::path path = folder / "tokenizer.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    refuse_vocabulary("tokenizer", folder.string(), "tokenizer.json", "none");
  return read_json(path);
}

Vocabulary read_vocabulary(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return read_folder(path);
  if (path.extension() == ".safetensors") return read_folder(path.parent_path());
  const MappedFile file(path);
  const std::string_view start(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<std::size_t>(file.bytes().size(), 64));
  if (start.starts_with("GGUF")) return vocabulary_of_gguf(GgufFile(path));
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  if (path.extension() == ".json" || (first != start.npos && start[first] == '{'))
    return read_json(path);
  return vocabulary_of_ranks(text_of(file, path), path.string());
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  if (path.string().starts_with("synth:")) {
    throw Error("tokenizer of " + path.string() +
                ": expected a file, got a synthetic model, which has no tokenizer");
  }
  return make_byte_level_tokenizer(read_vocabulary(path));
}

}  // namespace tern::engine
