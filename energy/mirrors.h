#pragma once
// Finds counters that are one counter under two names. Some kernels (about 6.9 to 6.11 on Zen 4 and
// later) call each core complex a die and show the package's counter once for each; to add them
// would double the joules.
//
// Two included counters of one package and kind that advance equally within 0.5 % are one. That is
// judged over the window that was metered, not by a load of one second at the start: the window is
// the time for which the answer must hold, and its load is there anyway. Real dies under one load
// may come close to each other for a moment, so on a live machine they must agree at every reading,
// the comparison allows no more than the two updates by which readings of one counter can differ,
// and a pair seen apart once is two counters for ever. A window too short to tell is unresolved,
// and its total refused, unless an earlier one told. Idle machines need no case of their own: an
// idle package's counter moves too, and counters that did not move add nothing twice.

#include <span>
#include <vector>

#include "energy/domain_accumulator.h"
#include "energy/energy_source.h"

namespace tern::energy {

// Of the same package and kind: where two counters can be one.
struct MirrorVerdict {
  std::size_t kept = 0;
  std::size_t other = 0;
  bool mirrored = false;    // other is kept again
  bool unresolved = false;  // may be one or two: the window was too short
};

class Mirrors {
 public:
  // info must outlive this.
  explicit Mirrors(const SourceInfo& info);

  void begin();  // a new window
  // After each reading of all domains within the window; readings taken far apart show nothing.
  void compare(std::span<const DomainAccumulator> counters, std::span<const Reading> readings);
  // At its end: all pairs that are not surely two counters. skew_s: by how much the window of one
  // domain may differ from another's, in which an update can fall.
  std::vector<MirrorVerdict> judge(std::span<const DomainAccumulator> counters, double window_s,
                                   double skew_s);

 private:
  struct Pair {
    std::size_t first = 0;
    std::size_t second = 0;
    bool apart = false;     // seen to differ
    bool mirrored = false;  // seen to be one over a window long enough
    double worst_j = 0;     // largest difference within this window
  };

  const SourceInfo& info_;
  std::vector<Pair> pairs_;
};

}  // namespace tern::energy
