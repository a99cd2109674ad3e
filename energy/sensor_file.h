#pragma once
// One number of a hardware monitor, kept open and read again and again. Unlike a counter it may be
// negative (a current that flows back). Text that is not exactly one number and a newline is an
// error, never a zero.

#include <cstdint>
#include <string>

namespace tern::energy {

class SensorFile {
 public:
  explicit SensorFile(const std::string& path);
  ~SensorFile();
  SensorFile(SensorFile&& other) noexcept;
  SensorFile& operator=(SensorFile&&) = delete;

  int open_error() const noexcept { return open_error_; }

  // 0 and the number, or an errno value; EBADMSG when the file does not hold one number and a
  // newline.
  int read(std::int64_t& value) const noexcept;

 private:
  int fd_ = -1;
  int open_error_ = 0;
};

}  // namespace tern::energy
