#pragma once
// What the kernel accounted to one run of a command (tern measure): to the command itself and to
// those of its descendants that were waited for; what it left running in the background is missing.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tern::harness {

struct CommandUsage {
  int exit_code = 0;  // as a shell shows it: 128 + N where signal N ended it
  int signal = 0;     // 0: it exited
  std::int64_t user_ns = 0;
  std::int64_t system_ns = 0;
  std::int64_t peak_rss_bytes = 0;  // of the largest single process; 0: not known
  std::string why_no_peak;          // when not known
  std::string why;                  // why it failed; empty: it succeeded
};

// "command" of a trial.
nlohmann::json to_json(const CommandUsage& usage);
CommandUsage command_usage_from_json(const nlohmann::json& object);

// The command as one line that a shell would read back; bytes that could upset a terminal or a
// table become '?', and what exceeds `most` bytes an ellipsis.
std::string command_line_text(const std::vector<std::string>& argv, std::size_t most);

}  // namespace tern::harness
