#include <string>
#include <vector>

#include "harness/command.h"

int main(int argc, char* argv[]) {
  return tern::harness::run_command_line(std::vector<std::string>(argv + (argc > 0), argv + argc));
}
