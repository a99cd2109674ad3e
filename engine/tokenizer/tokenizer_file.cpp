// Which kind of file a tokenizer comes from.
#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/formats/gguf.h"
#include "engine/mapped_file.h"
#include "engine/tokenizer/byte_level_tokenizer.h"
#include "engine/tokenizer/sentencepiece_tokenizer.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"
#include "engine/tokenizer/vocabulary_settings.h"

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

// A ModelProto begins with a piece, which begins with its text; no line of ranks does.
bool is_sentencepiece(std::string_view start) {
  return start.size() > 2 && start[0] == '\n' && start[2] == '\n';
}

Vocabulary read_sentencepiece(const fs::path& path) {
  const MappedFile file(path);
  Vocabulary vocabulary = vocabulary_of_sentencepiece(text_of(file, path), path.string());
  const fs::path config = path.parent_path() / "tokenizer_config.json";
  std::error_code ignored;
  if (fs::exists(config, ignored)) {
    const MappedFile config_file(config);
    apply_tokenizer_config(text_of(config_file, config), config.string(), vocabulary);
  }
  return vocabulary;
}

Vocabulary read_file(const fs::path& path);

Vocabulary read_folder(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (fs::exists(folder / name, ignored)) return read_file(folder / name);
  }
  refuse_vocabulary("tokenizer", folder.string(), "tokenizer.json or tokenizer.model", "neither");
}

Vocabulary read_vocabulary(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return read_folder(path);
  if (path.extension() == ".safetensors") return read_folder(path.parent_path());
  return read_file(path);
}

Vocabulary read_file(const fs::path& path) {
  const MappedFile file(path);
  const std::string_view start(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<std::size_t>(file.bytes().size(), 64));
  if (start.starts_with("GGUF")) return vocabulary_of_gguf(GgufFile(path));
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  if (path.extension() == ".json" || (first != start.npos && start[first] == '{'))
    return read_json(path);
  if (is_sentencepiece(start)) return read_sentencepiece(path);
  return vocabulary_of_ranks(text_of(file, path), path.string());
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const fs::path& path) {
  if (path.string().starts_with("synth:")) {
    throw Error("tokenizer of " + path.string() +
                ": expected a file, got a synthetic model, which has no tokenizer");
  }
  Vocabulary vocabulary = read_vocabulary(path);
  return vocabulary.algorithm == Algorithm::kByteLevel
             ? make_byte_level_tokenizer(std::move(vocabulary))
             : make_sentencepiece_tokenizer(std::move(vocabulary));
}

}  // namespace tern::engine
