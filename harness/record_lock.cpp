#include "harness/record_lock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "harness/error.h"

namespace tern::harness {

std::optional<RecordLock> RecordLock::take(const std::string& record_id) {
  const std::string name = "tern-record-" + record_id;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof address.sun_path) {
    throw Error("record " + record_id + ": its id is too long to be locked");
  }
  // A zero byte in front makes it a name instead of a path (unix(7)).
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  RecordLock lock(socket);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (socket >= 0 && ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
    return lock;
  }
  if (errno == EADDRINUSE) return std::nullopt;
  throw Error("record " + record_id + " cannot be locked: " + std::strerror(errno), 1);
}

RecordLock::~RecordLock() {
  if (socket_ >= 0) ::close(socket_);
}

RecordLock::RecordLock(RecordLock&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

RecordLock& RecordLock::operator=(RecordLock&& other) noexcept {
  std::swap(socket_, other.socket_);
  return *this;
}

}  // namespace tern::harness
