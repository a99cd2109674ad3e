#include "engine/sparse_copies.h"
#include "engine/sparse_ffn.h"

namespace tern::engine {
namespace {

// Int8 activations: sums are exact integers, so `down` gives each thread a part of the list.
class SparseTernaryFfn final : public SparseFfn {
 public:
  SparseTernaryFfn(const kernels::SparseKernels& kernels, const TernaryLinear& up,
                   const TernaryLinear& down, ThreadPool& pool)
      : SparseFfn(kernels, up.rows()),
        hidden_(up.cols()),
        up_scale_(up.scale()),
        down_scale_(down.scale()),
        up_(kernels.packed_bytes(ffn_, hidden_)),
        down_(kernels.packed_bytes(ffn_, hidden_)) {
    const auto unpack = [](const TernaryLinear& w) {
      return [&w](std::int64_t row, std::int8_t* trits) { w.unpack_row(row, trits); };
    };
    const auto pack = [&](kernels::AlignedBuffer<std::uint8_t>& packed) {
      return [&](const std::int8_t* trits, std::int64_t begin, std::int64_t end) {
        kernels.pack(trits, begin, end, hidden_, packed.data());
      };
    };
    copy_rows<std::int8_t>(ffn_, hidden_, pool, unpack(up), pack(up_));
    copy_columns<std::int8_t>(hidden_, ffn_, pool, unpack(down), pack(down_));
  }

  std::int64_t bytes() const noexcept override {
    return static_cast<std::int64_t>(up_.bytes() + down_.bytes());
  }

 private:
  void up_rows(const Activations& in, const std::int32_t* list, std::int64_t count,
               float* y) const noexcept override {
    const float scale = up_scale_ / in.q_scales[0];
    const kernels::QuantizedBatch batch{in.q, in.q_stride, in.sums, &scale, 1};
    kernels_.dot_rows({up_.data(), ffn_, hidden_}, batch, list, count, y);
  }

  std::int64_t list_inputs(const Activations& in, std::int32_t* list) const noexcept override {
    return kernels_.list_nonzero(in.q, 0, ffn_, list);
  }

  void down_columns(const Activations& in, std::int64_t count, ThreadPool& pool,
                    SparseScratch& scratch, float* y) const noexcept override {
    pool.run([&](int member) {
      const std::int64_t begin = count * member / pool.threads();
      const std::int64_t end = count * (member + 1) / pool.threads();
      kernels_.add_rows({down_.data(), ffn_, hidden_}, in.q, scratch.list.data() + begin,
                        end - begin, scratch.parts.data() + member * scratch.stride);
    });
    const float scale = down_scale_ / in.q_scales[0];
    pool.parallel_rows(hidden_, kernels::kSparseLineCols,
                       [&](std::int64_t begin, std::int64_t end) {
                         kernels_.merge_sums(scratch.parts.data(), pool.threads(), scratch.stride,
                                             in.sums[0], scale, begin, end, y);
                       });
  }

  std::int64_t hidden_;
  float up_scale_;
  float down_scale_;
  kernels::AlignedBuffer<std::uint8_t> up_;
  kernels::AlignedBuffer<std::uint8_t> down_;  // transposed
};

}  // namespace

std::unique_ptr<SparseFfn> make_sparse_ffn(const TernaryLinear& up, const TernaryLinear& down,
                                           const kernels::KernelTable& table, ThreadPool& pool) {
  return std::make_unique<SparseTernaryFfn>(table.sparse, up, down, pool);
}

std::int64_t sparse_ternary_bytes(std::int64_t ffn, std::int64_t hidden) noexcept {
  return 2 * static_cast<std::int64_t>(kernels::scalar::kSparse.packed_bytes(ffn, hidden));
}

}  // namespace tern::engine
