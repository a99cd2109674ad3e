#include "kernels/quantize/quantize.h"

#include "kernels/block/block.h"
#include "kernels/simd/lanes_neon.h"
#include "kernels/ternary/ternary.h"

namespace tern::kernels::neon {
namespace {

#include "kernels/quantize/quantize_lanes.inl"

}  // namespace

constinit const QuantizeKernels kQuantize = {quantize_row, quantize_blocks};

}  // namespace tern::kernels::neon
