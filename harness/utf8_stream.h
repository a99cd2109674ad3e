#pragma once
// Text that arrives in pieces which may cut a character in two, as tokens do: hands out whole
// characters only, and U+FFFD for what can never become one.

#include <string>
#include <string_view>

namespace tern::harness {

class Utf8Stream {
 public:
  // What has become complete; the start of a character at the end is kept for the next call.
  std::string push(std::string_view bytes);
  // At the end of the text: a character that was never completed, as U+FFFD.
  std::string finish();

 private:
  std::string pending_;
};

}  // namespace tern::harness
