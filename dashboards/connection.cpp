#include "dashboards/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tern::dashboards {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kEmptyLine = "\r\n\r\n";
constexpr milliseconds kSlice{100};              // how soon a stop is noticed
constexpr std::size_t kMaxDrained = 256 * 1024;  // of input nobody wants

}  // namespace

Connection::~Connection() { ::close(socket_); }

bool Connection::wait(short events, Clock::time_point deadline) const {
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd poll{socket_, events, 0};
    const int ready = ::poll(&poll, 1, static_cast<int>(std::min(left, kSlice).count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
  return false;
}

Connection::Head Connection::read_head(std::string& text, std::size_t limit,
                                       Clock::time_point deadline) {
  std::array<char, 4096> buffer;
  while (true) {
    if (!wait(POLLIN, deadline)) return text.empty() ? Head::kClosed : Head::kTooSlow;
    const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count == 0) return Head::kClosed;
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return Head::kClosed;
    }
    // The empty line may straddle two reads.
    const std::size_t from = text.size() < kEmptyLine.size() ? 0 : text.size() - kEmptyLine.size();
    text.append(buffer.data(), static_cast<std::size_t>(count));
    const std::size_t end = text.find(kEmptyLine, from);
    if (end != std::string::npos && end + kEmptyLine.size() <= limit) {
      text.resize(end + kEmptyLine.size());
      return Head::kComplete;
    }
    if (text.size() >= limit) return Head::kTooLong;
  }
}

bool Connection::send(std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EAGAIN) {
      if (!wait(POLLOUT, deadline)) return false;
    } else if (count < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

void Connection::finish(milliseconds patience) {
  ::shutdown(socket_, SHUT_WR);
  const Clock::time_point deadline = Clock::now() + patience;
  std::array<char, 4096> buffer;
  std::size_t drained = 0;
  while (drained < kMaxDrained && wait(POLLIN, deadline)) {
    const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
    if (count > 0) drained += static_cast<std::size_t>(count);
  }
}

}  // namespace tern::dashboards
