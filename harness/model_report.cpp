#include "harness/model_report.h"

#include <fmt/core.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/formats/gguf.h"
#include "engine/formats/safetensors.h"
#include "engine/model_config.h"
#include "engine/synthetic.h"

namespace tern::harness {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestArray = 8;
constexpr std::size_t kLongestText = 200;

// GGUF strings are bytes; JSON wants UTF-8.
std::string printable(const std::string& text) {
  std::string out = text.substr(0, kLongestText);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  return text.size() > kLongestText ? out + "…" : out;
}

template <class T>
json value_json(const T& value) {
  return value;
}
json value_json(const std::string& value) { return printable(value); }

// The first elements of an array, with its size: vocabularies have a hundred thousand.
template <class T>
json value_json(const std::vector<T>& values) {
  json first = json::array();
  for (std::size_t i = 0; i < values.size() && i < kLongestArray; ++i) {
    first.push_back(value_json(static_cast<T>(values[i])));
  }
  return {{"size", values.size()}, {"first", std::move(first)}};
}

json tensors_json(std::span<const engine::TensorView> tensors) {
  json list = json::array();
  for (const engine::TensorView& t : tensors) {
    list.push_back({{"name", printable(t.name)},
                    {"type", engine::name(t.type)},
                    {"shape", t.shape},
                    {"bytes", t.bytes.size()}});
  }
  return list;
}

const char* name(engine::Activation activation) {
  switch (activation) {
    case engine::Activation::kRelu2:
      return "relu2";
    case engine::Activation::kSilu:
      return "silu";
    case engine::Activation::kGelu:
      break;
  }
  return "gelu_tanh";
}

// What only some architectures have.
void add_particulars(json& config, const engine::ModelConfig& c) {
  if (!c.rope_divisors.empty()) config["rope_divisors"] = c.rope_divisors;
  if (c.qkv_bias) config["qkv_bias"] = true;
  if (c.qk_norms) config["qk_norms"] = true;
  if (c.post_norms) config["post_norms"] = true;
  if (c.embedding_scale != 1) config["embedding_scale"] = c.embedding_scale;
  if (c.query_scalar > 0) config["query_scalar"] = c.query_scalar;
  if (c.sliding.empty()) return;
  config["sliding_window"] = c.window;
  config["sliding_rope_theta"] = c.sliding_rope_theta;
  config["sliding_layers"] = json::array();
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    if (c.slides(layer)) config["sliding_layers"].push_back(layer);
  }
}

json config_json(const engine::ModelConfig& c) {
  json config = {{"architecture", c.architecture},
                 {"name", printable(c.name)},
                 {"vocab", c.vocab},
                 {"context", c.context},
                 {"hidden", c.hidden},
                 {"layers", c.layers},
                 {"ffn", c.ffn},
                 {"heads", c.heads},
                 {"kv_heads", c.kv_heads},
                 {"head_dim", c.head_dim},
                 {"rope_theta", c.rope_theta},
                 {"rope_pairs", c.rope_pairs == engine::RopePairs::kHalf ? "half" : "interleaved"},
                 {"rms_eps", c.rms_eps},
                 {"activation", name(c.activation)},
                 {"sub_norms", c.sub_norms},
                 {"tied_embedding", c.tied_embedding}};
  add_particulars(config, c);
  return config;
}

// The configuration, or why this version cannot run the model.
template <class Read>
void add_config(json& report, Read&& read) {
  try {
    report["config"] = config_json(read());
  } catch (const engine::Error& error) {
    report["config_why"] = error.what();
  }
}

json inspect_gguf(const std::string& path) {
  const engine::GgufFile file(path);
  json report = {{"model", path}, {"container", fmt::format("gguf v{}", file.version())}};
  add_config(report, [&] { return engine::config_from_gguf(file); });
  json& metadata = report["metadata"] = json::object();
  for (const auto& [key, value] : file.metadata()) {
    metadata[printable(key)] = std::visit([](const auto& v) { return value_json(v); }, value);
  }
  report["tensors"] = tensors_json(file.tensors());
  return report;
}

json inspect_safetensors(const std::string& path) {
  const engine::SafetensorsFile file(path);
  json report = {{"model", path}, {"container", "safetensors"}};
  if (file.config_json().empty()) {
    report["config_why"] = "there is no config.json beside a single file";
  } else {
    add_config(report, [&] { return engine::config_from_json(file.config_json(), file.origin()); });
    report["metadata"] = json::parse(file.config_json(), nullptr, false);
  }
  report["tensors"] = tensors_json(file.tensors());
  return report;
}

json inspect_synthetic(const std::string& name) {
  const engine::SyntheticShape shape = engine::synthetic_shape(name);
  return {{"model", "synth:" + name},
          {"container", "synthetic"},
          {"config", config_json(engine::config_of(shape))},
          {"linear_parameters", engine::synthetic_parameters(shape)},
          {"bytes_ternary", engine::synthetic_bytes(shape, false)},
          {"bytes_fp16_twin", engine::synthetic_bytes(shape, true)}};
}

std::string shape_text(const json& shape) {
  std::string text;
  for (const json& d : shape) text += (text.empty() ? "" : " x ") + d.dump();
  return text;
}

std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

nlohmann::json inspect_model(const std::string& spec) {
  if (spec.starts_with("synth:")) return inspect_synthetic(spec.substr(6));
  const std::filesystem::path path(spec);
  std::error_code error;
  const bool safetensors =
      std::filesystem::is_directory(path, error) || path.extension() == ".safetensors";
  return safetensors ? inspect_safetensors(spec) : inspect_gguf(spec);
}

std::string inspect_markdown(const json& report) {
  std::string out = fmt::format("{} ({})\n", report["model"].get<std::string>(),
                                report["container"].get<std::string>());
  if (report.contains("config_why")) {
    out += "does not run here: " + report["config_why"].get<std::string>() + "\n";
  }
  for (const char* part : {"config", "metadata"}) {
    if (!report.contains(part) || !report[part].is_object()) continue;
    out += fmt::format("\n{}\n", part);
    for (const auto& [key, value] : report[part].items())
      out += fmt::format("  {:<44} {}\n", key, plain(value));
  }
  for (const char* number : {"linear_parameters", "bytes_ternary", "bytes_fp16_twin"}) {
    if (report.contains(number)) out += fmt::format("  {:<44} {}\n", number, report[number].dump());
  }
  if (report.contains("tensors")) {
    out += fmt::format("\n{} tensors\n", report["tensors"].size());
    for (const json& t : report["tensors"]) {
      out += fmt::format("  {:<44} {:<6} {:>16} {:>14} bytes\n", t["name"].get<std::string>(),
                         t["type"].get<std::string>(), shape_text(t["shape"]), t["bytes"].dump());
    }
  }
  out.pop_back();
  return out;
}

}  // namespace tern::harness
