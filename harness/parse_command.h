#pragma once
// Reads the command line of one sub-command the same way everywhere: llama-bench's spellings, help
// on stdout, and one sentence instead of a usage dump on an error.

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tern::harness {

// False when help was asked for and has been printed. Throws Error (exit code 2) on a bad command
// line. An exception thrown while a value is read keeps its own type.
bool parse_command(CLI::App& app, const std::vector<std::string>& args);

}  // namespace tern::harness
