#include "evals/request.h"

#include "evals/error.h"

namespace tern::evals {

namespace {

void render(std::string& text, std::vector<ChatMessage>& messages,
            const ChatTemplate& chat_template) {
  if (messages.empty()) return;
  if (!chat_template)
    throw Error("the task asks in a conversation: expected a chat template, got none");
  text = chat_template(messages);
  messages.clear();
}

}  // namespace

Request rendered(Request request, const ChatTemplate& chat_template) {
  if (auto* choice = std::get_if<ChoiceRequest>(&request)) {
    render(choice->context, choice->messages, chat_template);
  } else if (auto* text = std::get_if<TextRequest>(&request)) {
    render(text->prompt, text->messages, chat_template);
  } else if (auto* contexts = std::get_if<ContextsRequest>(&request)) {
    for (std::size_t i = 0; i < contexts->messages.size(); ++i)
      render(contexts->contexts[i], contexts->messages[i], chat_template);
    contexts->messages.clear();
  }
  return request;
}

}  // namespace tern::evals
