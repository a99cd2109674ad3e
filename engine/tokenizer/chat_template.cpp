#include "engine/tokenizer/chat_template.h"

#include <algorithm>
#include <array>

#include "engine/error.h"
#include "engine/tensor.h"
#include "engine/tokenizer/utf8.h"
#include "engine/tokenizer/vocabulary.h"

namespace tern::engine {
namespace {

// Python's str.strip(), which is Jinja's trim: the characters of str.isspace().
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

std::string_view trimmed(std::string_view text) {
  std::size_t begin = text.size();
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text.substr(at));
    const bool space = length > 0 && is_python_space(code_point_of(text.substr(at, length)));
    const std::size_t next = at + std::max<std::size_t>(length, 1);
    if (!space) {
      begin = std::min(begin, at);
      end = next;
    }
    at = next;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

std::string capitalized(std::string role) {
  role[0] = static_cast<char>(role[0] - 'a' + 'A');  // one of three lower-case words
  return role;
}

// ---- Recognising. Templates of one family differ in spaces, quotes and ways to name a key.

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string compact(std::string_view jinja) {
  std::string text;
  for (std::size_t i = 0; i < jinja.size(); ++i) {
    const char c = jinja[i];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '\\' && i + 1 < jinja.size() && jinja[i + 1] == 'n') {
      ++i;
      continue;
    }
    text += c == '"' ? '\'' : c;
  }
  replace_all(text, "['role']", ".role");
  replace_all(text, "['content']", ".content");
  return text;
}

struct Family {
  ChatFormat format;
  std::string_view name;
  // All of them are in the compact text.
  std::array<std::string_view, 3> marks;
};

constexpr std::array<Family, 7> kFamilies = {{
    {ChatFormat::kBitnet,
     "bitnet",
     {"message.role|capitalize+':'+message.content|trim+'<|eot_id|>'", "'Assistant:'", ""}},
    {ChatFormat::kLlama3,
     "llama-3",
     {"'<|start_header_id|>'+message.role+'<|end_header_id|>'+message.content|trim+'<|eot_id|>'",
      "<|start_header_id|>assistant<|end_header_id|>", ""}},
    {ChatFormat::kLlama31,
     "llama-3.1",
     {"'<|start_header_id|>'+message.role+'<|end_header_id|>'+message.content|trim+'<|eot_id|>'",
      "'CuttingKnowledgeDate:December2023'", "'TodayDate:'+date_string+''"}},
    {ChatFormat::kChatMl,
     "chatml",
     {"'<|im_start|>'+message.role+''+message.content+'<|im_end|>'", "'<|im_start|>assistant'",
      ""}},
    {ChatFormat::kGemma2,
     "gemma-2",
     {"'<start_of_turn>'+role+''+message.content|trim+'<end_of_turn>'", "'Systemrolenotsupported'",
      "'<start_of_turn>model'"}},
    {ChatFormat::kGemma3,
     "gemma-3",
     {"'<start_of_turn>'+role+''+(first_user_prefixifloop.firstelse'')", "message.content|trim",
      "'<start_of_turn>model'"}},
    {ChatFormat::kFalcon3,
     "falcon-3",
     {"'<|user|>'+message.content+''", "'<|assistant|>'+message.content+eos_token+''",
      "'<|system|>'+message.content+''"}},
}};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// The later of two that fit, as Llama 3.1's does Llama 3's marks.
const Family* family_of(const std::string& text) {
  // Text in front of all messages, and thoughts, are no part of any of these.
  if (!text.starts_with("{") || contains(text, "<think>")) return nullptr;
  const bool asks = contains(text, "add_generation_prompt");
  const auto fits = [&](const Family& family) {
    if (!asks && family.format != ChatFormat::kLlama3) return false;
    return std::all_of(family.marks.begin(), family.marks.end(),
                       [&](std::string_view mark) { return contains(text, mark); });
  };
  for (std::size_t i = kFamilies.size(); i-- > 0;)
    if (fits(kFamilies[i])) return &kFamilies[i];
  return nullptr;
}

// What ChatML's templates say where a conversation has no system message. The longest literal after
// "system": Qwen's for tools begins otherwise.
std::string default_system_of(std::string_view jinja) {
  for (const std::string_view newline : {"\\n", "\n"}) {
    const std::string begin = joined({"<|im_start|>system", newline});
    for (std::size_t at = 0; (at = jinja.find(begin, at)) != jinja.npos;) {
      at += begin.size();
      const std::string_view text = jinja.substr(at, jinja.find("<|im_end|>", at) - at);
      if (text.empty() || text.find_first_of("'\"{}") != text.npos) continue;
      std::string plain(text);
      replace_all(plain, "\\n", "\n");
      return plain;
    }
  }
  return {};
}

std::string known_families() {
  std::string names;
  for (const Family& family : kFamilies) names += joined({names.empty() ? "" : ", ", family.name});
  return names;
}

// That of BitNet b1.58 2B4T's tokenizer_config.json (formats.md, section 3.5).
constexpr std::string_view kBitnetTemplate =
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] | "
    "trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif "
    "%}";

// ---- Rendering.

void check_roles(std::span<const ChatMessage> messages) {
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant") {
      throw Error("role of message " + std::to_string(i + 1) +
                  ": expected system, user or assistant, got " + quote_name(role));
    }
  }
}

std::string render_bitnet(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                          bool prompt) {
  std::string text = messages.empty() ? "" : chat.bos;
  for (const auto& [role, content] : messages)
    text += joined({capitalized(role), ": ", trimmed(content), "<|eot_id|>"});
  return prompt ? text + "Assistant: " : text;
}

std::string llama_turn(std::string_view role, std::string_view content) {
  return joined(
      {"<|start_header_id|>", role, "<|end_header_id|>\n\n", trimmed(content), "<|eot_id|>"});
}

std::string render_llama(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                         bool prompt) {
  const bool dates = chat.format == ChatFormat::kLlama31;
  std::string text = messages.empty() && !dates ? "" : chat.bos;
  if (dates) {
    const bool has_system = !messages.empty() && messages[0].role == "system";
    text += joined({"<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: ",
                    "December 2023\nToday Date: ", chat.date, "\n\n",
                    has_system ? trimmed(messages[0].content) : std::string_view(), "<|eot_id|>"});
    if (has_system) messages = messages.subspan(1);
  }
  for (const auto& [role, content] : messages) text += llama_turn(role, content);
  return prompt ? text + "<|start_header_id|>assistant<|end_header_id|>\n\n" : text;
}

std::string render_chatml(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                          bool prompt) {
  const auto turn = [](std::string_view role, std::string_view content) {
    return joined({"<|im_start|>", role, "\n", content, "<|im_end|>\n"});
  };
  std::string text = chat.bos;
  const bool has_system = !messages.empty() && messages[0].role == "system";
  if (!has_system && !chat.default_system.empty()) text += turn("system", chat.default_system);
  for (const auto& [role, content] : messages) text += turn(role, content);
  return prompt ? text + "<|im_start|>assistant\n" : text;
}

std::string render_gemma(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                         bool prompt) {
  std::string text = chat.bos;
  std::string prefix;
  if (!messages.empty() && messages[0].role == "system") {
    if (chat.format == ChatFormat::kGemma2) {
      throw Error(
          "conversation: expected no system message, which Gemma 2's template refuses, got one");
    }
    prefix = messages[0].content + "\n\n";
    messages = messages.subspan(1);
  }
  bool user = true;
  for (const auto& [role, content] : messages) {
    if ((role == "user") != user) {
      throw Error(
          "conversation: expected user and assistant in turns, as Gemma's template does, "
          "got " +
          role + " where " + (user ? "user" : "assistant") + " is due");
    }
    text += joined({"<start_of_turn>", role == "assistant" ? "model" : std::string_view(role), "\n",
                    prefix, trimmed(content), "<end_of_turn>\n"});
    prefix.clear();
    user = !user;
  }
  return prompt ? text + "<start_of_turn>model\n" : text;
}

std::string render_falcon(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                          bool prompt) {
  std::string text;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    const bool last = i + 1 == messages.size();
    text += joined({"<|", role, "|>\n", content});
    if (role == "assistant") text += chat.eos;
    if (role != "assistant" || !last) text += '\n';
  }
  return prompt && !messages.empty() ? text + "<|assistant|>\n" : text;
}

}  // namespace

std::string_view name(ChatFormat format) {
  return kFamilies[static_cast<std::size_t>(format)].name;
}

ChatTemplate recognise_chat_template(std::string_view jinja, const Tokenizer& tokenizer,
                                     const std::string& origin) {
  const auto text_of = [&](int id) {
    return id < 0 ? std::string() : tokenizer.decode({id}, false);
  };
  const std::string text = compact(jinja);
  ChatTemplate chat;
  chat.source = jinja;
  chat.eos = text_of(tokenizer.eos());
  if (contains(text, "BITNETAssistant")) {
    chat.source = kBitnetTemplate;
    chat.warning = "the chat template in " + origin +
                   " is not the one BitNet b1.58 2B4T was trained with ('Human: …BITNETAssistant: "
                   "'); that of its tokenizer_config.json is used ('User: …<|eot_id|>Assistant: ')";
    return chat;
  }
  const Family* const family = family_of(text);
  if (family == nullptr) {
    refuse_vocabulary("chat_template", origin, "one of " + known_families(),
                      jinja.empty()
                          ? "an empty one"
                          : "an unknown one, beginning " + quote_name(jinja.substr(0, 60)));
  }
  chat.format = family->format;
  if (contains(text, "bos_token")) chat.bos = text_of(tokenizer.bos());
  chat.always_prompts = !contains(text, "add_generation_prompt");
  if (chat.format == ChatFormat::kChatMl) chat.default_system = default_system_of(jinja);
  return chat;
}

std::string render(const ChatTemplate& chat, std::span<const ChatMessage> messages,
                   bool add_generation_prompt) {
  check_roles(messages);
  const bool prompt = add_generation_prompt || chat.always_prompts;
  switch (chat.format) {
    case ChatFormat::kBitnet:
      return render_bitnet(chat, messages, prompt);
    case ChatFormat::kLlama3:
    case ChatFormat::kLlama31:
      return render_llama(chat, messages, prompt);
    case ChatFormat::kChatMl:
      return render_chatml(chat, messages, prompt);
    case ChatFormat::kGemma2:
    case ChatFormat::kGemma3:
      return render_gemma(chat, messages, prompt);
    case ChatFormat::kFalcon3:
      return render_falcon(chat, messages, prompt);
  }
  return {};
}

}  // namespace tern::engine
