#pragma once
// Unicode Normalization Form C (Unicode 15, UAX #15): letters and their accents become the composed
// characters. Qwen's tokenizers normalise text before they cut it. Thread-safe.

#include <string>
#include <string_view>

namespace tern::engine {

// The text in NFC: `text` itself where it is so already, else `scratch`, which then holds it. Bytes
// that are not UTF-8 stay as they are.
std::string_view to_nfc(std::string_view text, std::string& scratch);

}  // namespace tern::engine
