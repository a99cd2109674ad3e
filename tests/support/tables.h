#pragma once
// The kernels rows this machine can run, for tests that hold every row against scalar.

#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/dispatch.h"

namespace tern::kernels {

inline std::vector<const KernelTable*> runnable_tables() {
  const CpuFeatures cpu = detect_cpu();
  std::vector<const KernelTable*> tables;
  for (const KernelTable& table : compiled_tables()) {
    if (cpu.has(table.required)) tables.push_back(&table);
  }
  return tables;
}

// Those that multiply BF16 weights in a way of their own.
inline std::vector<const KernelTable*> runnable_inexact_tables() {
  const CpuFeatures cpu = detect_cpu();
  std::vector<const KernelTable*> tables;
  for (const KernelTable& table : inexact_tables()) {
    if (cpu.has(table.required)) tables.push_back(&table);
  }
  return tables;
}

}  // namespace tern::kernels
