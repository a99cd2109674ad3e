#pragma once
// The list of kernels rows in this binary, best first, and the choice among them. Nothing here is
// global state: the caller keeps the reference, so one process can hold two engines on two rows.

#include <span>
#include <string_view>

#include "kernels/kernel_table.h"

namespace tern::kernels {

// Every row this binary was built with whose answers are those of all others, best first; the last
// one is "scalar" and needs nothing.
std::span<const KernelTable> compiled_tables() noexcept;

// Further rows, best first, which only a user can choose: "ROW+bf16" is ROW, but BF16 weights are
// multiplied by instructions that round in their own way. Answers of models that have some differ.
std::span<const KernelTable> inexact_tables() noexcept;

// The best exact row this CPU can run. Cannot fail.
const KernelTable& select_table(CpuFeatures cpu) noexcept;

// The row of that name, exact or not, usable here or not; nullptr when there is none.
const KernelTable* find_table(std::string_view name) noexcept;

}  // namespace tern::kernels
