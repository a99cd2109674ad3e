#pragma once
// Conversations as the text that a model was trained to answer.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/tokenizer/chat_template.h"
#include "evals/request.h"

namespace tern::harness {

using SharedChatTemplate = std::shared_ptr<const engine::ChatTemplate>;  // null: none

// As engine::load_chat_template; what the user should know about it goes to standard error.
SharedChatTemplate open_chat_template(const std::string& path, const engine::Tokenizer& tokenizer);

// Renders messages so that the answer comes next; null where there is no template.
evals::ChatTemplate renderer(SharedChatTemplate chat);

// Whatever of a template decides what a model reads, for a record.
nlohmann::json to_json(const engine::ChatTemplate& chat);

}  // namespace tern::harness
