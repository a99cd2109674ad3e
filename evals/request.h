#pragma once
// What a document asks of a language model.

#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "evals/language_model.h"

namespace tern::evals {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;

  bool operator==(const ChatMessage&) const = default;
};

// Where `messages` is not empty, the request is a conversation: its text (context, prompt) is empty
// until a chat template makes it of them, with the opening of the assistant's answer at the end.

// How likely each continuation of a context is.
struct ChoiceRequest {
  std::string context;
  std::vector<std::string> continuations;  // with their leading space, if any
  std::vector<ChatMessage> messages = {};
};

// How likely one continuation is behind each of several contexts.
struct ContextsRequest {
  std::vector<std::string> contexts;
  std::string continuation;
  std::vector<std::vector<ChatMessage>> messages = {};  // per context
};

// How likely a text is from its first token on, in windows where it is longer than the context.
struct RollingRequest {
  std::string text;
};

// A text.
struct TextRequest {
  std::string prompt;
  GenerationLimits limits;
  std::vector<ChatMessage> messages = {};
};

using Request = std::variant<ChoiceRequest, TextRequest, ContextsRequest, RollingRequest>;

// A model's chat template: messages to the text it is prompted with.
using ChatTemplate = std::function<std::string(std::span<const ChatMessage>)>;

// The request with its conversations made text by the template; a request without messages stays as
// it is. Throws Error when there are messages and no template.
Request rendered(Request request, const ChatTemplate& chat_template);

}  // namespace tern::evals
