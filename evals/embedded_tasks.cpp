#include "evals/embedded_tasks.h"

namespace tern::evals {

namespace {

#include "evals/embedded.inl"

}  // namespace

std::span<const EmbeddedFile> embedded_tasks() noexcept { return kEmbedded; }

}  // namespace tern::evals
