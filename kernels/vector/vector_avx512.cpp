#include "kernels/vector/vector.h"

#include "kernels/simd/lanes_avx512.h"
#include "kernels/vector/exp_constants.h"

namespace tern::kernels::avx512 {
namespace {

#include "kernels/simd/lanes_math.inl"

#include "kernels/vector/exp_f64.inl"

#include "kernels/vector/vector_lanes.inl"

}  // namespace

constinit const VectorKernels kVector = kTable;

}  // namespace tern::kernels::avx512
