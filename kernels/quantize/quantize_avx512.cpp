#include "kernels/quantize/quantize.h"

#include "kernels/block/block.h"
#include "kernels/simd/lanes_avx512.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::avx512 {
namespace {

#include "kernels/quantize/quantize_lanes.inl"

}  // namespace

constinit const QuantizeKernels kQuantize = {quantize_row, quantize_blocks};

}  // namespace tern::kernels::avx512
