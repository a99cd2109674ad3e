#include "harness/data_home.h"

#include <cstdlib>

namespace tern::harness {

std::optional<std::filesystem::path> data_home() {
  const char* data = std::getenv("XDG_DATA_HOME");
  if (data != nullptr && *data == '/') return std::filesystem::path(data) / "tern";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return std::nullopt;
  return std::filesystem::path(home) / ".local/share/tern";
}

}  // namespace tern::harness
