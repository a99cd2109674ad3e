#include "harness/parse_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "harness/error.h"
#include "harness/options.h"

namespace tern::harness {

bool parse_command(CLI::App& app, const std::vector<std::string>& args) {
  std::vector<std::string> reversed = rewrite_spellings(args);
  std::reverse(reversed.begin(), reversed.end());  // CLI11 takes the last argument first
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ParseError& error) {
    throw Error(std::string(error.what()) + "; see --help");
  }
  return true;
}

}  // namespace tern::harness
