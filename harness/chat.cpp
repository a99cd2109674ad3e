#include "harness/chat.h"

#include <fmt/core.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "datasets/manifest.h"

namespace tern::harness {

SharedChatTemplate open_chat_template(const std::string& path, const engine::Tokenizer& tokenizer) {
  auto chat =
      std::make_shared<const engine::ChatTemplate>(engine::load_chat_template(path, tokenizer));
  if (!chat->warning.empty()) fmt::print(stderr, "tern: warning: {}\n", chat->warning);
  return chat;
}

evals::ChatTemplate renderer(SharedChatTemplate chat) {
  if (chat == nullptr) return nullptr;
  return [chat = std::move(chat)](std::span<const evals::ChatMessage> messages) {
    std::vector<engine::ChatMessage> turns;
    for (const auto& [role, content] : messages) turns.push_back({role, content});
    return engine::render(*chat, turns, true);
  };
}

nlohmann::json to_json(const engine::ChatTemplate& chat) {
  nlohmann::json object = {{"format", engine::name(chat.format)},
                           {"sha256", datasets::sha256_hex(chat.source)}};
  if (chat.format == engine::ChatFormat::kLlama31) object["date"] = chat.date;
  return object;
}

}  // namespace tern::harness
