// Where models keep their chat template.
#include <nlohmann/json.hpp>
#include <system_error>

#include "engine/formats/gguf.h"
#include "engine/mapped_file.h"
#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/json_node.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Source {
  std::string jinja, origin;
};

std::string text_of(const fs::path& path) {
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

[[noreturn]] void none(const std::string& origin) {
  refuse_vocabulary("chat_template", origin, "a template, as chat models have", "none");
}

// "chat_template" is a text, or a list of named ones.
Source read_config(const fs::path& path) {
  const std::string origin = path.string();
  const Json document = parse_json(text_of(path), origin);
  const JsonNode config(document, "", origin);
  if (!config.has("chat_template")) none(origin);
  const JsonNode chat = config.at("chat_template", "");
  if (!chat.value().is_array()) return {chat.string(), origin};
  for (std::size_t i = 0; i < chat.size(); ++i) {
    const JsonNode entry = chat.at(i);
    if (entry.at("name", "a name").is("default"))
      return {entry.at("template", "a text").string(), origin};
  }
  chat.refuse("one named 'default'");
}

Source read_gguf(const fs::path& path) {
  const auto jinja = GgufFile(path).string("tokenizer.chat_template");
  if (!jinja) none(path.string());
  return {*jinja, path.string()};
}

Source read_folder(const fs::path& folder) {
  std::error_code ignored;
  const fs::path jinja = folder / "chat_template.jinja";
  if (fs::exists(jinja, ignored)) return {text_of(jinja), jinja.string()};
  const fs::path config = folder / "tokenizer_config.json";
  if (fs::exists(config, ignored)) return read_config(config);
  none(folder.string());
}

bool is_gguf(const fs::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return bytes.size() >= 4 &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), 4) == "GGUF";
}

Source find(const fs::path& model) {
  std::error_code ignored;
  if (model.string().starts_with("synth:")) none(model.string());
  if (fs::is_directory(model, ignored)) return read_folder(model);
  if (model.extension() == ".jinja") return {text_of(model), model.string()};
  return is_gguf(model) ? read_gguf(model) : read_folder(model.parent_path());
}

}  // namespace

ChatTemplate load_chat_template(const fs::path& model, const Tokenizer& tokenizer) {
  const Source source = find(model);
  return recognise_chat_template(source.jinja, tokenizer, source.origin);
}

}  // namespace tern::engine
