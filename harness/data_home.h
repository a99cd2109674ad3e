#pragma once
// Where what outlives a run lies unless the user says otherwise: $XDG_DATA_HOME/tern, else
// ~/.local/share/tern (XDG base directory specification; a relative XDG_DATA_HOME is to be
// ignored).

#include <filesystem>
#include <optional>

namespace tern::harness {

// None where neither XDG_DATA_HOME nor HOME is set.
std::optional<std::filesystem::path> data_home();

}  // namespace tern::harness
