#pragma once
// A prompt as the turns it is made of: one text for a base model, or the messages of a conversation
// for a chat template, both as lm-evaluation-harness makes them.

#include <span>
#include <string>
#include <vector>

#include "evals/request.h"

namespace tern::evals {

struct Turn {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
  std::string delimiter;  // behind the content where turns are joined to one text
};

// All turns as one text.
std::string joined(std::span<const Turn> turns);

// multiturn: one message per turn. Otherwise what the user and the assistant say is joined to one
// message of the user, behind the system's. The delimiter of the last turn is dropped.
std::vector<ChatMessage> messages(std::span<const Turn> turns, bool multiturn);

}  // namespace tern::evals
