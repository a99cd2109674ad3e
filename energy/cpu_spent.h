#pragma once
// What reading a meter costs the machine that is measured: CPU time of the calling thread, with
// that of the programs and threads that it started for a reading and waited for.

#include <cstdint>

struct rusage;

namespace tern::energy {

// Of the calling thread, so far; differences mean something. Helpers count once they were waited
// for.
std::int64_t cpu_spent_ns() noexcept;

// A helper of the calling thread has ended.
void add_helper_cpu(std::int64_t cpu_ns) noexcept;
void add_helper_cpu(const rusage& usage) noexcept;  // of a child, from wait4()

}  // namespace tern::energy
