// Conversations as text: each family's template by what Jinja makes of it, and what is refused.
#include <nlohmann/json.hpp>

#include "engine/formats/gguf_writer.h"
#include "engine/tokenizer/chat_template.h"
#include "tests/engine/refusal.h"
#include "tests/engine/temporary_folder.h"
#include "tests/support/catch.h"

using namespace tern::engine;
using namespace tern::tests;
using Catch::Matchers::Contains;
using Messages = std::vector<ChatMessage>;
using nlohmann::json;

namespace {

// Knows the text of BOS and EOS, which is all a template asks for.
class TwoTokens final : public Tokenizer {
 public:
  std::vector<int> encode(std::string_view, bool) const override { return {}; }
  std::string decode(const std::vector<int>& ids, bool) const override {
    return ids[0] == 0 ? "<B>" : "<E>";
  }
  int vocab() const noexcept override { return 2; }
  int bos() const noexcept override { return 0; }
  int eos() const noexcept override { return 1; }
  bool add_bos() const noexcept override { return true; }
  const std::string& description() const noexcept override { return description_; }

 private:
  std::string description_ = "two tokens";
};

ChatTemplate recognise(const std::string& jinja) {
  return recognise_chat_template(jinja, TwoTokens(), "here");
}

const Messages kTalk = {{"system", " Be brief. "}, {"user", " 1+1?\n"}, {"assistant", "2 "}};
const Messages kQuestion = {{"user", "1+1?"}};

// Templates as models write them; where two ways to write are common, both are tried below.
const std::string kBitnet =
    "{% for message in messages %}{{ message['role'] | capitalize + ': ' + message['content'] | "
    "trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif "
    "%}";
const std::string kLlama3 =
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim "
    "+ '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif "
    "%}{{ content }}{% endfor %}";
const std::string kPromptsLlama = "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}";
const std::string kAsks = "{% if add_generation_prompt %}";
const std::string kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}";
const std::string kFalcon =
    "{%- for message in messages %}{%- if message['role'] == 'system' %}{{- '<|system|>\\n' + "
    "message['content'] + '\\n' }}{%- elif message['role'] == 'user' %}{{- '<|user|>\\n' + "
    "message['content'] + '\\n' }}{%- elif not loop.last %}{{- '<|assistant|>\\n' + "
    "message['content'] + eos_token + '\\n' }}{%- else %}{{- '<|assistant|>\\n' + "
    "message['content'] + eos_token }}{%- endif %}{%- if loop.last and add_generation_prompt "
    "%}{{- '<|assistant|>\\n' }}{%- endif %}{%- endfor %}";
const std::string kGemma3 =
    "{{ bos_token }}{%- for message in loop_messages -%}{{ '<start_of_turn>' + role + '\n' + "
    "(first_user_prefix if loop.first else \"\") }}{{ message['content'] | trim }}{{ "
    "'<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}"
    "{%- endif -%}";

}  // namespace

TEST_CASE("BitNet's conversations", "[chat]") {
  const ChatTemplate chat = recognise(kBitnet);
  CHECK(name(chat.format) == "bitnet");
  CHECK(render(chat, kTalk, false) ==
        "System: Be brief.<|eot_id|>User: 1+1?<|eot_id|>Assistant: 2<|eot_id|>");
  CHECK(render(chat, kQuestion, true) == "User: 1+1?<|eot_id|>Assistant: ");
  CHECK(chat.warning.empty());
  // The published GGUF has another one, which nobody trained with.
  const ChatTemplate wrong = recognise(
      "{% for message in messages %}{{ 'Human: ' + message['content'] + '\\n\\nBITNETAssistant: ' "
      "+ eos_token }}{% endfor %}");
  CHECK(render(wrong, kQuestion, true) == "User: 1+1?<|eot_id|>Assistant: ");
  CHECK_THAT(wrong.warning, Contains("the chat template in here is not the one"));
  // What is reported is what was rendered.
  CHECK(chat.source == kBitnet);
  CHECK(wrong.source == kBitnet);
}

TEST_CASE("Llama 3's conversations", "[chat]") {
  const ChatTemplate chat = recognise(kLlama3 + kAsks + kPromptsLlama + "{% endif %}");
  CHECK(name(chat.format) == "llama-3");
  const std::string text = "<B><|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|>";
  const std::string begun = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  CHECK(render(chat, kQuestion, false) == text);
  CHECK(render(chat, kQuestion, true) == text + begun);
  CHECK(render(recognise(kLlama3 + kPromptsLlama), kQuestion, false) == text + begun);
}

TEST_CASE("Llama 3.1's conversations begin with dates", "[chat]") {
  const ChatTemplate chat =
      recognise(kLlama3 + "{{- \"Cutting Knowledge Date: December 2023\\n\" }}" +
                "{{- \"Today Date: \" + date_string + \"\\n\\n\" }}" + kAsks + kPromptsLlama);
  CHECK(name(chat.format) == "llama-3.1");
  const std::string dates =
      "<B><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
      "Today Date: 26 Jul 2024\n\n";
  CHECK(render(chat, kQuestion, false) ==
        dates + "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|>");
  CHECK_THAT(render(chat, kTalk, false),
             Catch::Matchers::StartsWith(dates + "Be brief.<|eot_id|>"));
}

TEST_CASE("ChatML's conversations", "[chat]") {
  const ChatTemplate chat = recognise(kChatMl);
  CHECK(name(chat.format) == "chatml");
  const std::string question = "<|im_start|>user\n1+1?<|im_end|>\n";
  CHECK(render(chat, kQuestion, true) == question + "<|im_start|>assistant\n");
  CHECK(render(chat, kTalk, false) ==
        "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\n 1+1?\n<|im_end|>\n"
        "<|im_start|>assistant\n2 <|im_end|>\n");
  // Qwen's own system message, unless the conversation has one.
  for (const std::string newline : {"\n", "\\n"}) {
    const ChatTemplate qwen = recognise("{{ '<|im_start|>system" + newline +
                                        "You are Qwen.<|im_end|>" + newline + "' }}" + kChatMl);
    CHECK(qwen.default_system == "You are Qwen.");
    CHECK(render(qwen, kQuestion, false) ==
          "<|im_start|>system\nYou are Qwen.<|im_end|>\n" + question);
    CHECK(render(qwen, kTalk, true) == render(chat, kTalk, true));
  }
}

TEST_CASE("Gemma 3's conversations", "[chat]") {
  const ChatTemplate chat = recognise(kGemma3);
  CHECK(name(chat.format) == "gemma-3");
  CHECK(render(chat, kTalk, true) ==
        "<B><start_of_turn>user\n Be brief. \n\n1+1?<end_of_turn>\n<start_of_turn>model\n2"
        "<end_of_turn>\n<start_of_turn>model\n");
  CHECK_THAT(message_of([&] {
               render(chat, Messages{{"assistant", "2"}}, true);
             }),
             Contains("expected user and assistant in turns"));
}

TEST_CASE("Falcon 3's conversations", "[chat]") {
  const ChatTemplate chat = recognise(kFalcon);
  CHECK(name(chat.format) == "falcon-3");
  CHECK(render(chat, kTalk, false) ==
        "<|system|>\n Be brief. \n<|user|>\n 1+1?\n\n<|assistant|>\n2 <E>");
  CHECK(render(chat, kTalk, true) == render(chat, kTalk, false) + "<|assistant|>\n");
  CHECK(render(chat, kQuestion, true) == "<|user|>\n1+1?\n<|assistant|>\n");
}

TEST_CASE("what is trimmed is what Python calls white space", "[chat]") {
  const ChatTemplate chat = recognise(kBitnet);
  const auto user = [&](const std::string& content) {
    return render(chat, Messages{{"user", content}}, false);
  };
  CHECK(user("\u00a0\x1c\u2003 a b\u3000\n") == "User: a b<|eot_id|>");
  CHECK(user("\u200b") == "User: \u200b<|eot_id|>");
  CHECK(user(" \n ") == "User: <|eot_id|>");
  CHECK(user("\xff ") == "User: \xff<|eot_id|>");
}

TEST_CASE("a conversation nobody can render is refused", "[chat]") {
  CHECK_THAT(message_of([] { recognise("{{ messages }}"); }),
             Contains("chat_template in here: expected one of bitnet, llama-3") &&
                 Contains("an unknown one, beginning '{{ messages }}'"));
  CHECK_THAT(message_of([] { recognise(""); }), Contains("got an empty one"));
  // Nearly right is not right.
  CHECK_THAT(message_of([] { recognise("Be brief." + kBitnet); }), Contains("an unknown one"));
  CHECK_THAT(message_of([] { recognise(kChatMl + "<think>"); }), Contains("an unknown one"));
  std::string zephyr = kFalcon;
  zephyr.replace(zephyr.find("message['content'] + '\\n' }}{%- elif message['role'] == 'user'"), 25,
                 "message['content'] + eos_token + '\\n' ");
  CHECK_THAT(message_of([&] { recognise(zephyr); }), Contains("an unknown one"));
  CHECK_THAT(message_of([] {
               render(recognise(kBitnet), Messages{{"tool", "x"}}, false);
             }),
             Contains("role of message 1: expected system, user or assistant, got 'tool'"));
}

TEST_CASE("models keep their template in several places", "[chat]") {
  const TwoTokens tokens;
  const TemporaryFolder folder;
  const auto format = [&](const std::filesystem::path& path) {
    return name(load_chat_template(path, tokens).format);
  };
  CHECK_THAT(message_of([&] { format(folder.path()); }),
             Contains("expected a template, as chat models have, got none"));
  folder.write("tokenizer_config.json", json{{"bos_token", "<s>"}}.dump());
  CHECK_THAT(message_of([&] { format(folder.path()); }), Contains("tokenizer_config.json"));
  folder.write("tokenizer_config.json", json{{"chat_template", kFalcon}}.dump());
  CHECK(format(folder.path()) == "falcon-3");
  folder.write("model.safetensors", "weights");
  CHECK(format(folder / "model.safetensors") == "falcon-3");
  const json named = {{{"name", "rag"}, {"template", "x"}},
                      {{"name", "default"}, {"template", kChatMl}}};
  folder.write("tokenizer_config.json", json{{"chat_template", named}}.dump());
  CHECK(format(folder.path()) == "chatml");
  folder.write("chat_template.jinja", kGemma3);  // newer transformers write it here
  CHECK(format(folder.path()) == "gemma-3");
  GgufWriter writer(folder / "m.gguf");
  writer.set("tokenizer.chat_template", kBitnet);
  writer.finish();
  CHECK(format(folder / "m.gguf") == "bitnet");
  CHECK_THAT(message_of([&] { format("synth:tiny"); }), Contains("chat_template in synth:tiny"));
}
