#pragma once
// The sub-commands of the executable: one explicit array, one file each under commands/.

#include <span>
#include <string>
#include <vector>

namespace tern::harness {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& args);  // args behind the name; returns the exit code
};

std::span<const Command> commands() noexcept;

// Finds and runs args[0]; prints help. Holds the program's only catch-all: every exception becomes
// one sentence on stderr and an exit code.
int run_command_line(const std::vector<std::string>& args);

int run_bench(const std::vector<std::string>& args);
int run_eval(const std::vector<std::string>& args);
int run_compare(const std::vector<std::string>& args);
int run_gate(const std::vector<std::string>& args);
int run_machine(const std::vector<std::string>& args);
int run_measure(const std::vector<std::string>& args);
int run_model(const std::vector<std::string>& args);
int run_model_fetch(const std::vector<std::string>& args);     // one of model's own
int run_model_tokenize(const std::vector<std::string>& args);  // one of model's own
int run_serve(const std::vector<std::string>& args);
int run_store(const std::vector<std::string>& args);

}  // namespace tern::harness
