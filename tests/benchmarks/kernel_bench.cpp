// tern_kernel_bench: speed of the kernels of every row this machine can run, on one thread, each as
// a share of a limit measured beside it (kernel_bench.h). Kept with
//   tern_kernel_bench --benchmark_out=FILE --benchmark_out_format=json
//   tern store import FILE
// Everything takes an hour; for a part of it: --benchmark_filter='avx512vnni/ternary/.*/2560x2560'

#include "tests/benchmarks/kernel_bench.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "harness/machine.h"
#include "harness/record.h"
#include "tests/support/tables.h"

namespace tern::kernels {
namespace {

constexpr std::size_t kRotatedBytes = std::size_t{160} << 20;

// The layers of BitNet b1.58 2B4T, and of a Llama-style 7B model.
constexpr Shape kShapes[] = {{2560, 2560}, {640, 2560},   {6912, 2560}, {2560, 6912},
                             {4096, 4096}, {11008, 4096}, {4096, 11008}};

void register_row(const KernelTable& table) {
  // Scalar is the oracle: small batches tell how slow it is.
  const bool oracle = table.required == Feature::kNone;
  for (const Shape shape : kShapes) {
    std::vector<Case> cases = {{shape}};
    for (const std::int64_t tokens : {1, 8, 16, 128, 512}) {
      if (!oracle || tokens <= 8) cases.push_back({shape, true, tokens});
    }
    for (const Case& what : cases) {
      register_ternary(table, what);
      register_half(table, what);
      register_block(table, what);
    }
    if (shape.rows > shape.cols) register_sparse(table, shape);  // `up`, and `down` transposed
  }
}

// What an inexact row does in its own way: products of BF16 weights.
void register_inexact_row(const KernelTable& table) {
  for (const Shape shape : kShapes) {
    register_bf16(table, {shape});
    for (const std::int64_t tokens : {1, 8, 16, 128, 512}) {
      register_bf16(table, {shape, true, tokens});
    }
  }
}

// Who measured, for the record that an import makes of the results.
void add_context() {
  const harness::Record record = harness::Record::begin("every usable row");
  benchmark::AddCustomContext("tern_build", record.document().at("tern").dump());
  benchmark::AddCustomContext("tern_machine", harness::machine_facts().dump());
}

}  // namespace

Rotation::Rotation(std::size_t bytes, const Case& what)
    : bytes_(bytes), all_(bytes * (what.gemm ? 1 : kRotatedBytes / bytes + 2)) {}

void Rotation::spread() {
  for (std::size_t at = bytes_; at < all_.size(); at += bytes_) {
    std::memcpy(all_.data() + at, all_.data(), bytes_);
  }
}

double peak_rate(Peak peak) {
  using Clock = std::chrono::steady_clock;
  const auto started = Clock::now();
  std::int64_t done = 0;
  auto elapsed = started - started;
  do {
    done += peak(10000);
    elapsed = Clock::now() - started;
  } while (elapsed < std::chrono::milliseconds(2));
  return static_cast<double>(done) / std::chrono::duration<double>(elapsed).count();
}

}  // namespace tern::kernels

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  tern::kernels::add_context();
  for (const tern::kernels::KernelTable* table : tern::kernels::runnable_tables()) {
    tern::kernels::register_row(*table);
  }
  for (const tern::kernels::KernelTable* table : tern::kernels::runnable_inexact_tables()) {
    tern::kernels::register_inexact_row(*table);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
