#include "harness/command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "engine/error.h"
#include "harness/build_info.h"
#include "harness/error.h"

namespace tern::harness {
namespace {

constexpr Command kCommands[] = {
    {"bench", "speed and energy: a ternary model against its FP16 twin, paired", run_bench},
    {"eval", "accuracy: gsm8k, piqa, mmlu, …, with the joules of every question", run_eval},
    {"compare", "two sets of results: ratio, interval, verdict", run_compare},
    {"gate", "for CI: pass, regression or inconclusive, as exit code, Markdown and JUnit",
     run_gate},
    {"machine", "this machine, and which kernels, meters and counters work here", run_machine},
    {"measure", "time, joules and counters of any command: tern measure -- CMD", run_measure},
    {"model", "inspect a model, write a synthetic one, logits, generate", run_model},
    {"serve", "the dashboard: stored runs in a browser", run_serve},
    {"store", "the kept results: list, show, export, import", run_store},
};

std::string help_text() {
  std::string text =
      "tern: speed, energy and accuracy of ternary language models on CPUs\n\n"
      "usage: tern COMMAND [OPTIONS]\n\n";
  for (const Command& command : kCommands) {
    text += "  ";
    text += command.name;
    text.append(10 - std::strlen(command.name), ' ');
    text += command.summary;
    text += '\n';
  }
  return text +
         "\n"
         "tern help COMMAND shows a command's options; tern --version the version and build.\n"
         "The result goes to stdout, everything else to stderr.\n"
         "Exit codes: 0 fine, 1 a run failed, 2 usage or bad input, 3 regression, 4 inconclusive,\n"
         "5 the environment is unfit (--strict), 6 energy was required and not measured.\n";
}

std::string version_text() {
  const BuildInfo& build = build_info();
  std::string text = std::string("tern ") + build.version + " (" + build.commit + ")\n" +
                     build.compiler + ", " + build.build_type + ", " + build.flags + "\n";
  if (*build.sanitizer != '\0') text += std::string("sanitizers: ") + build.sanitizer + "\n";
  return text;
}

const Command* find(std::string_view name) {
  for (const Command& command : kCommands) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

int unknown_command(const std::string& name) {
  std::string text = "tern: there is no command \"" + name + "\"; there are";
  const char* separator = " ";
  for (const Command& command : kCommands) {
    text += separator;
    text += command.name;
    separator = ", ";
  }
  std::fprintf(stderr, "%s\n", text.c_str());
  return 2;
}

int dispatch(const std::vector<std::string>& args) {
  if (args.empty()) {
    std::fputs(help_text().c_str(), stderr);
    return 2;
  }
  const std::string& first = args[0];
  if (first == "--version" || first == "-V") {
    std::fputs(version_text().c_str(), stdout);
    return 0;
  }
  const bool help = first == "help" || first == "--help" || first == "-h";
  if (help && args.size() == 1) {
    std::fputs(help_text().c_str(), stdout);
    return 0;
  }
  const std::string& name = help ? args[1] : first;
  const Command* command = find(name);
  if (command == nullptr) return unknown_command(name);
  if (help) return command->run({"--help"});
  return command->run({args.begin() + 1, args.end()});
}

// A message is one line: what other libraries report may not be.
int fail(const std::vector<std::string>& args, std::string message, int code) {
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  const bool named = !args.empty() && find(args[0]) != nullptr;
  std::fprintf(stderr, "tern%s%s: %s\n", named ? " " : "", named ? args[0].c_str() : "",
               message.c_str());
  return code;
}

// A result that did not reach its reader (a full disk, a closed pipe) is a failure.
int flush_result(const std::vector<std::string>& args, int code) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  // An earlier flush may have met the error and taken errno with it.
  const std::string why = errno != 0 ? std::string(": ") + std::strerror(errno) : "";
  return fail(args, "could not write the result to stdout" + why, code == 0 ? 1 : code);
}

}  // namespace

std::span<const Command> commands() noexcept { return kCommands; }

int run_command_line(const std::vector<std::string>& args) {
  try {
    return flush_result(args, dispatch(args));
  } catch (const Error& error) {
    return fail(args, error.what(), error.code());
  } catch (const engine::RunError& error) {
    return fail(args, error.what(), 1);
  } catch (const engine::Error& error) {
    return fail(args, error.what(), 2);
  } catch (const std::bad_alloc&) {
    return fail(args, "out of memory", 1);
  } catch (const std::exception& error) {
    return fail(args, error.what(), 1);
  }
}

}  // namespace tern::harness
