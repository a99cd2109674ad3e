#pragma once
// What built this binary: every record carries it, so that two results can be told apart by their
// build.

namespace tern::harness {

struct BuildInfo {
  const char* version;     // "0.1.0"
  const char* commit;      // 12 hex digits, "-dirty" behind them when the tree differed; "unknown"
  const char* compiler;    // "GNU 12.2.0"
  const char* flags;       // those of every file; kernels for one instruction set add theirs
  const char* build_type;  // "Release"
  const char* sanitizer;   // "address,undefined", or empty
  bool optimized;          // false: speeds of this build mean nothing
};

const BuildInfo& build_info() noexcept;

}  // namespace tern::harness
