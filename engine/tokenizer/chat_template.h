#pragma once
// Conversations as the text a chat model was trained on. Models carry a template for that in Jinja,
// a language of which nothing is interpreted here: the templates of the families that this program
// runs are written out below and recognised by what their text contains. An unknown one is refused,
// because a prompt that is nearly right measures something else.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/tokenizer/tokenizer.h"

namespace tern::engine {

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

enum class ChatFormat : std::uint8_t {
  kBitnet,   // BitNet b1.58 2B4T: "User: …<|eot_id|>Assistant: "
  kLlama3,   // <|start_header_id|>user<|end_header_id|>
  kLlama31,  // the same behind a system message with dates (3.1, 3.2)
  kChatMl,   // <|im_start|>user (Qwen 2 and 2.5, Falcon-E)
  kGemma2,   // <start_of_turn>user; refuses system messages
  kGemma3,   // the same, the system message in front of the first user's
  kFalcon3,  // <|user|>
};

std::string_view name(ChatFormat format);

struct ChatTemplate {
  ChatFormat format = ChatFormat::kBitnet;
  std::string bos;  // emitted in front; empty where the template leaves it to the tokenizer
  std::string eos;  // what Falcon 3 ends an answer with
  std::string default_system;  // of ChatML, where a conversation has no system message; empty: none
  bool always_prompts = false;  // the template begins an answer whether asked to or not
  // Llama 3.1 and 3.2 tell the model this date. transformers puts the day's for 3.2, so that no two
  // days have the same prompts; here it is what the template says without a clock.
  std::string date = "26 Jul 2024";
  std::string source;   // the template that is rendered
  std::string warning;  // what a user should know, as a sentence; empty: nothing
};

// By the text of a template; `tokenizer` says what BOS and EOS are. Throws Error:
// "chat_template in <origin>: expected …, got …".
ChatTemplate recognise_chat_template(std::string_view jinja, const Tokenizer& tokenizer,
                                     const std::string& origin);

// The template of a GGUF file, a Hugging Face folder (chat_template.jinja or
// tokenizer_config.json) or any of the folder's files. Throws Error, also when there is none.
ChatTemplate load_chat_template(const std::filesystem::path& model, const Tokenizer& tokenizer);

// The text, special tokens spelt out: encode it with parse_special, and with BOS in front where the
// tokenizer adds it and the text does not begin with it. add_generation_prompt: it ends where the
// answer begins. Throws Error when a role is none of the three, or the template refuses their
// order.
std::string render(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                   bool add_generation_prompt);

}  // namespace tern::engine
