#pragma once
// What `tern model inspect` says about a model: container facts first, so that a file this version
// cannot run can still be looked at, then whether it runs.

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tern::harness {

// spec: a GGUF file, a safetensors folder or file, or synth:NAME. Throws engine::Error when the
// container itself cannot be read.
nlohmann::json inspect_model(const std::string& spec);

std::string inspect_markdown(const nlohmann::json& report);

}  // namespace tern::harness
