#pragma once
// Who writes a record: one process at a time. The lock is a name in Linux's abstract socket
// namespace, so it ends with the process, however that ends, and leaves no file behind. It holds
// within one network namespace; elsewhere the store still refuses an item that is there already.

#include <optional>
#include <string>

namespace tern::harness {

class RecordLock {
 public:
  // nullopt: another process of this machine holds it. Throws Error when no socket can be had.
  static std::optional<RecordLock> take(const std::string& record_id);
  ~RecordLock();
  RecordLock(RecordLock&& other) noexcept;
  RecordLock& operator=(RecordLock&& other) noexcept;

 private:
  explicit RecordLock(int socket) noexcept : socket_(socket) {}
  int socket_;
};

}  // namespace tern::harness
