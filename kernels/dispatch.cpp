#include "kernels/dispatch.h"

namespace tern::kernels {
namespace {

// Best first; the last row needs nothing, so selection cannot fail. A row that improves only some
// families borrows the others from the row below it.
constinit const KernelTable kTables[] = {
#if defined(__x86_64__)
    {"amx", Feature::kAmxInt8, amx::kTernary, amx::kTernaryDense, avx512vnni::kSparse,
     avx512::kSparseHalf, avx512::kHalf, avx512vnni::kBlock, avx512::kQuantize, avx512::kVector,
     avx512::kAttention},
    {"zen4", Feature::kZen4, avx512vnni::kTernaryInTurn, avx512vbmi::kTernaryDenseInTurn,
     avx512vnni::kSparse, avx512::kSparseHalf, avx512::kHalfInTurn, avx512vnni::kBlockInTwos,
     avx512::kQuantize, avx512::kVector, avx512::kAttention},
    {"avx512vbmi", Feature::kAvx512Vbmi, avx512vnni::kTernary, avx512vbmi::kTernaryDense,
     avx512vnni::kSparse, avx512::kSparseHalf, avx512::kHalf, avx512vnni::kBlock, avx512::kQuantize,
     avx512::kVector, avx512::kAttention},
    {"avx512vnni", Feature::kAvx512Vnni, avx512vnni::kTernary, scalar::kTernaryDense,
     avx512vnni::kSparse, avx512::kSparseHalf, avx512::kHalf, avx512vnni::kBlock, avx512::kQuantize,
     avx512::kVector, avx512::kAttention},
    {"avxvnni", Feature::kAvxVnni, avxvnni::kTernary, scalar::kTernaryDense, scalar::kSparse,
     scalar::kSparseHalf, avx2::kHalf, avx2::kBlock, avx2::kQuantize, avx2::kVector,
     avx2::kAttention},
    {"avx2", Feature::kAvx2, avx2::kTernary, scalar::kTernaryDense, scalar::kSparse,
     scalar::kSparseHalf, avx2::kHalf, avx2::kBlock, avx2::kQuantize, avx2::kVector,
     avx2::kAttention},
#elif defined(__aarch64__)
    {"i8mm", Feature::kI8mm, i8mm::kTernary, scalar::kTernaryDense, scalar::kSparse,
     scalar::kSparseHalf, neon::kHalf, dotprod::kBlock, neon::kQuantize, neon::kVector,
     neon::kAttention},
    {"dotprod", Feature::kDotprod, dotprod::kTernary, scalar::kTernaryDense, scalar::kSparse,
     scalar::kSparseHalf, neon::kHalf, dotprod::kBlock, neon::kQuantize, neon::kVector,
     neon::kAttention},
    {"neon", Feature::kNeon, neon::kTernary, scalar::kTernaryDense, scalar::kSparse,
     scalar::kSparseHalf, neon::kHalf, neon::kBlock, neon::kQuantize, neon::kVector,
     neon::kAttention},
#endif
    {"scalar", Feature::kNone, scalar::kTernary, scalar::kTernaryDense, scalar::kSparse,
     scalar::kSparseHalf, scalar::kHalf, scalar::kBlock, scalar::kQuantize, scalar::kVector,
     scalar::kAttention},
};

#if defined(__x86_64__)
constinit const KernelTable kInexactTables[] = {
    {"amx+bf16", Feature::kAmxInt8 | Feature::kAmxBf16, amx::kTernary, amx::kTernaryDense,
     avx512vnni::kSparse, avx512::kSparseHalf, amxbf16::kHalf, avx512vnni::kBlock,
     avx512::kQuantize, avx512::kVector, avx512::kAttention},
    {"zen4+bf16", Feature::kZen4 | Feature::kAvx512Bf16, avx512vnni::kTernaryInTurn,
     avx512vbmi::kTernaryDenseInTurn, avx512vnni::kSparse, avx512::kSparseHalf,
     avx512bf16::kHalfInTurn, avx512vnni::kBlockInTwos, avx512::kQuantize, avx512::kVector,
     avx512::kAttention},
    {"avx512vbmi+bf16", Feature::kAvx512Vbmi | Feature::kAvx512Bf16, avx512vnni::kTernary,
     avx512vbmi::kTernaryDense, avx512vnni::kSparse, avx512::kSparseHalf, avx512bf16::kHalf,
     avx512vnni::kBlock, avx512::kQuantize, avx512::kVector, avx512::kAttention},
    {"avx512vnni+bf16", Feature::kAvx512Vnni | Feature::kAvx512Bf16, avx512vnni::kTernary,
     scalar::kTernaryDense, avx512vnni::kSparse, avx512::kSparseHalf, avx512bf16::kHalf,
     avx512vnni::kBlock, avx512::kQuantize, avx512::kVector, avx512::kAttention},
};
#endif

}  // namespace

std::span<const KernelTable> compiled_tables() noexcept { return kTables; }

std::span<const KernelTable> inexact_tables() noexcept {
#if defined(__x86_64__)
  return kInexactTables;
#else
  return {};
#endif
}

const KernelTable& select_table(CpuFeatures cpu) noexcept {
  for (const KernelTable& table : kTables) {
    if (cpu.has(table.required)) return table;
  }
  return kTables[std::size(kTables) - 1];
}

const KernelTable* find_table(std::string_view name) noexcept {
  for (const std::span<const KernelTable> tables : {compiled_tables(), inexact_tables()}) {
    for (const KernelTable& table : tables) {
      if (name == table.name) return &table;
    }
  }
  return nullptr;
}

}  // namespace tern::kernels
