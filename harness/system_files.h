#pragma once
// Reads the small text files of /proc, /sys and /etc below a root that tests replace. A file that
// is not there or cannot be read is nullopt: an absent fact, never an error and never a zero.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tern::harness {

class SystemFiles {
 public:
  explicit SystemFiles(std::string sysroot);

  bool is_root() const noexcept { return root_ == "/"; }  // the real system, not a fixture
  bool exists(const std::string& path) const;
  // The whole file (at most 1 MiB), and without the white space at its end.
  std::optional<std::string> text(const std::string& path) const;
  std::optional<std::int64_t> number(const std::string& path) const;
  // Names in a folder that are `prefix` and then digits only ("cpu" -> cpu0, cpu1, …), by number.
  std::vector<std::string> numbered(const std::string& folder, const std::string& prefix) const;

 private:
  std::string root_;  // ends in '/'
};

// "key : value" of the first such line, as in /proc/cpuinfo; nullopt when there is none.
std::optional<std::string> colon_value(const std::string& text, const std::string& key);

}  // namespace tern::harness
