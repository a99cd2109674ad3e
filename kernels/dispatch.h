#pragma once
// The list of kernels rows in this binary, best first, and the choice among them. Nothing here is
// global state: the caller keeps the reference, so one process can hold two engines on two rows.

#include <span>
#include <string_view>

#include "kernels/kernel_table.h"

namespace tern::kernels {

// Every row this binary was built with, best first; the last one is "scalar" and needs nothing.
std::span<const KernelTable> compiled_tables() noexcept;

// The best row this CPU can run. Cannot fail.
const KernelTable& select_table(CpuFeatures cpu) noexcept;

// The row of that name, usable here or not; nullptr when there is none.
const KernelTable* find_table(std::string_view name) noexcept;

}  // namespace tern::kernels
