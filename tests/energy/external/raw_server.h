#pragma once
// A server that misbehaves as told: it hands each connection, its request read, to a script. On
// 127.0.0.1, at a port of the system's choosing, at most 1000 connections, one after the other.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "energy/external/stop_signal.h"

namespace tern::tests {

class RawServer {
 public:
  // stop is raised when the server goes: a script that waits must wait for it.
  using Script = std::function<void(int socket, const energy::StopSignal& stop)>;

  explicit RawServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listening socket");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() { vanish(); }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  // From now on connections are refused.
  void vanish() {
    stop_.raise();
    if (thread_.joinable()) thread_.join();
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  }

  // False when the other side is gone.
  static bool send(int socket, const std::string& text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t part = ::send(socket, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (part <= 0) return false;
      sent += static_cast<std::size_t>(part);
    }
    return true;
  }

  static std::string answer(const std::string& body, const std::string& status = "200 OK",
                            const std::string& headers = "") {
    return "HTTP/1.1 " + status + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
           body;
  }

 private:
  void serve() {
    constexpr int kMost = 1000;
    while (connections_ < kMost) {
      pollfd wanted[] = {{stop_.fd(), POLLIN, 0}, {listener_, POLLIN, 0}};
      if (::poll(wanted, 2, 60'000) <= 0 || wanted[0].revents != 0) return;
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      ++connections_;
      if (read_request(socket)) script_(socket, stop_);
      ::close(socket);
    }
  }

  bool read_request(int socket) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      pollfd wanted[] = {{stop_.fd(), POLLIN, 0}, {socket, POLLIN, 0}};
      if (::poll(wanted, 2, 60'000) <= 0 || wanted[0].revents != 0) return false;
      char buffer[4096];
      const ssize_t got = ::read(socket, buffer, sizeof buffer);
      if (got <= 0) return false;
      request.append(buffer, static_cast<std::size_t>(got));
    }
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    return true;
  }

  Script script_;
  energy::StopSignal stop_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace tern::tests
