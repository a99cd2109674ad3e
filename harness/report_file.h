#pragma once
// Where a report goes that must not be lost or half written: stderr, stdout, or a file that appears
// whole under its name. It is opened before anything is measured, so that a place that cannot be
// written costs no measurement.

#include <string>

namespace tern::harness {

class ReportFile {
 public:
  // "": stderr; "-": stdout; otherwise a path. A device or a pipe is written to directly. Throws
  // Error, which names the option that the target came from.
  explicit ReportFile(std::string target, std::string option = "--report");
  ~ReportFile();  // leaves no unfinished file behind
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;

  // Once, everything. Throws Error when it did not all get there.
  void write(const std::string& text);

 private:
  [[noreturn]] void fail(int error) const;

  std::string target_;
  std::string option_;
  std::string temporary_;  // to be renamed; empty: written in place
  int fd_ = -1;
  bool own_ = false;
};

}  // namespace tern::harness
