#pragma once
// How a gemv reads a matrix that no cache holds. What memory delivers depends on the order in which
// its lines are touched and asked for, and processors differ: figures in kernels/README.md.

#include <cstdint>

namespace tern::kernels {

// kStreams neighbouring row blocks at once, each asked for kAheadBytes before its use. kLocality as
// __builtin_prefetch defines it: 2 asks for a line in L2, 3 in L1.
template <int Streams, std::int64_t AheadBytes, int Locality>
struct Reading {
  static constexpr int kStreams = Streams;
  static constexpr std::int64_t kAheadBytes = AheadBytes;
  static constexpr int kLocality = Locality;
};

using SideBySide = Reading<4, 2048, 2>;  // best on Emerald Rapids
using InTurn = Reading<1, 8192, 3>;      // best on Zen 5
using InTwos = Reading<2, 3072, 3>;      // the same, of blocks with scales
using InTurnToL2 = Reading<1, 8192, 2>;  // where nobody has compared

}  // namespace tern::kernels
