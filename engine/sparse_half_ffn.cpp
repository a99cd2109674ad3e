#include <algorithm>
#include <bit>
#include <vector>

#include "engine/sparse_copies.h"
#include "engine/sparse_ffn.h"
#include "kernels/float16.h"

namespace tern::engine {
namespace {

// Columns of `down` a thread takes at least: what add_rows holds at once.
constexpr std::int64_t kShareCols = 64;

// Binary32 activations: the sum of an output is one chain, so `down` gives each thread a part of
// the outputs.
class SparseHalfFfn final : public SparseFfn {
 public:
  SparseHalfFfn(const kernels::KernelTable& table, const HalfLinear& up, const HalfLinear& down,
                ThreadPool& pool)
      : SparseFfn(table.sparse, up.rows()),
        half_(table.sparse_half),
        up_(half_.packed_bytes(up.rows(), up.cols())),
        down_(half_.packed_bytes(up.rows(), up.cols())),
        up_matrix_{up_.data(), up.type(), up.rows(), up.cols(), up.scale()},
        down_matrix_{down_.data(), down.type(), up.rows(), up.cols(), down.scale()} {
    const auto unpack = [](const HalfLinear& w) {
      return [&w](std::int64_t row, std::uint16_t* bits) {
        std::vector<float> values(static_cast<std::size_t>(w.cols()));
        w.unpack_row(row, values.data());
        // Exact: they were of that type.
        std::transform(values.begin(), values.end(), bits, [&](float value) {
          return w.type() == kernels::HalfType::kF16
                     ? kernels::f32_to_f16(value)
                     : static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
        });
      };
    };
    const auto pack = [&](kernels::AlignedBuffer<std::uint8_t>& packed) {
      return [&](const std::uint16_t* bits, std::int64_t begin, std::int64_t end) {
        half_.pack(bits, begin, end, up_matrix_.cols, packed.data());
      };
    };
    copy_rows<std::uint16_t>(up.rows(), up.cols(), pool, unpack(up), pack(up_));
    copy_columns<std::uint16_t>(down.rows(), down.cols(), pool, unpack(down), pack(down_));
  }

  std::int64_t bytes() const noexcept override {
    return static_cast<std::int64_t>(up_.bytes() + down_.bytes());
  }

 private:
  void up_rows(const Activations& in, const std::int32_t* list, std::int64_t count,
               float* y) const noexcept override {
    half_.dot_rows(up_matrix_, in.x, list, count, y);
  }

  std::int64_t list_inputs(const Activations& in, std::int32_t* list) const noexcept override {
    return kernels_.list_nonzero_f32(in.x, 0, ffn_, list);
  }

  void down_columns(const Activations& in, std::int64_t count, ThreadPool& pool,
                    SparseScratch& scratch, float* y) const noexcept override {
    pool.parallel_rows(down_matrix_.cols, kShareCols, [&](std::int64_t begin, std::int64_t end) {
      half_.add_rows(down_matrix_, in.x, scratch.list.data(), count, begin, end, y);
    });
  }

  const kernels::SparseHalfKernels& half_;
  kernels::AlignedBuffer<std::uint8_t> up_;
  kernels::AlignedBuffer<std::uint8_t> down_;  // transposed
  kernels::HalfMatrix up_matrix_;
  kernels::HalfMatrix down_matrix_;
};

}  // namespace

std::unique_ptr<SparseFfn> make_sparse_ffn(const HalfLinear& up, const HalfLinear& down,
                                           const kernels::KernelTable& table, ThreadPool& pool) {
  return std::make_unique<SparseHalfFfn>(table, up, down, pool);
}

std::int64_t sparse_half_bytes(std::int64_t ffn, std::int64_t hidden) noexcept {
  return 2 * static_cast<std::int64_t>(kernels::scalar::kSparseHalf.packed_bytes(ffn, hidden));
}

}  // namespace tern::engine
