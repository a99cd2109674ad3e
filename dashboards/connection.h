#pragma once
// One accepted connection: bounded reading and writing on its socket. cpp-httplib 0.11 bounds
// neither the bytes before a body nor the time a client may take for them, so they are read here.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace tern::dashboards {

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  // Takes the socket over and closes it. Reading stops when `stop` turns true.
  Connection(int socket, const std::atomic<bool>& stop) noexcept : socket_(socket), stop_(stop) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  enum class Head { kComplete, kTooLong, kTooSlow, kClosed };
  // Appends what arrives to `text` until the empty line, `limit` bytes or the deadline.
  Head read_head(std::string& text, std::size_t limit, Clock::time_point deadline);

  // All of it or false.
  bool send(std::string_view bytes, Clock::time_point deadline);

  // Ends the answer and gives the client a moment to read it: closing on unread input would reset
  // the connection and take the answer along.
  void finish(std::chrono::milliseconds patience);

  int socket() const noexcept { return socket_; }

 private:
  bool wait(short events, Clock::time_point deadline) const;

  int socket_;
  const std::atomic<bool>& stop_;
};

}  // namespace tern::dashboards
