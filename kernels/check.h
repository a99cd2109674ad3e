#pragma once
// TERN_CHECK: an always-on assertion for bugs. It prints file, line, the condition and a message
// with values, then aborts. Never for bad input: that throws where it is read. Internal linkage on
// purpose: objects built for one instruction set must not export inline copies.

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace tern {

[[noreturn]] [[gnu::format(printf, 4, 5)]] [[maybe_unused]] static void check_failed(
    const char* file, int line, const char* condition, const char* format, ...) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s: ", file, line, condition);
  va_list args;
  va_start(args, format);
  std::vfprintf(stderr, format, args);
  va_end(args);
  std::fputc('\n', stderr);
  std::abort();
}

}  // namespace tern

#define TERN_CHECK(condition, ...)                                       \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::tern::check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__); \
  } while (false)
