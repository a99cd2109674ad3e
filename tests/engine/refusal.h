#pragma once
// What the engine says to bad input: one sentence with what it expected.

#include <functional>
#include <string>

#include "engine/error.h"
#include "tests/support/catch.h"

namespace tern::tests {

// "(accepted)" where nothing was refused.
inline std::string message_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const engine::Error& error) {
    const std::string message = error.what();
    CHECK(message.find('\n') == message.npos);
    CHECK(message.find("expected") != message.npos);
    return message;
  }
  return "(accepted)";
}

}  // namespace tern::tests
