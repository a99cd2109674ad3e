// Any bytes as JSON Lines: they parse or throw FormatError, line numbers ascend, and a field is a
// string or an error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "datasets/error.h"
#include "datasets/jsonl.h"

using namespace tern::datasets;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  int last = 0;
  try {
    parse_jsonl(text, "input", [&](const JsonlPlace& place, const nlohmann::json& line) {
      if (place.line <= last) std::abort();
      last = place.line;
      try {
        string_field(place, line, "question");
      } catch (const FormatError&) {
      }
    });
  } catch (const FormatError&) {
  }
  return 0;
}
