#pragma once
// The files of evals/tasks, which are part of the program.

#include <span>
#include <string_view>

namespace tern::evals {

struct EmbeddedFile {
  std::string_view name;  // "piqa", of evals/tasks/piqa.json
  std::string_view text;
};
std::span<const EmbeddedFile> embedded_tasks() noexcept;

}  // namespace tern::evals
