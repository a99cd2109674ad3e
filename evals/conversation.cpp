#include "evals/conversation.h"

namespace tern::evals {

std::string joined(std::span<const Turn> turns) {
  std::string text;
  for (const Turn& turn : turns) text += turn.content + turn.delimiter;
  return text;
}

std::vector<ChatMessage> messages(std::span<const Turn> turns, bool multiturn) {
  std::vector<ChatMessage> list;
  const auto own_message = [&](const Turn& turn) {
    return multiturn || (&turn == turns.data() && turn.role == "system");
  };
  std::string rest;
  for (const Turn& turn : turns) {
    if (own_message(turn)) {
      list.push_back({turn.role, turn.content});
    } else {
      rest += turn.content;
      if (&turn != &turns.back()) rest += turn.delimiter;
    }
  }
  if (!multiturn) list.push_back({"user", std::move(rest)});
  return list;
}

}  // namespace tern::evals
