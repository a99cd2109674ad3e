#include "harness/open_tokenizer.h"

#include <fmt/core.h>

#include <cstdio>

namespace tern::harness {

std::unique_ptr<engine::Tokenizer> open_tokenizer(const std::string& path) {
  auto tokenizer = engine::load_tokenizer(path);
  if (const std::string warning = tokenizer->warning(); !warning.empty())
    fmt::print(stderr, "tern: warning: {}\n", warning);
  return tokenizer;
}

}  // namespace tern::harness
