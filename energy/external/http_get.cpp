#include "energy/external/http_get.h"

#include <fcntl.h>
#include <httplib.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "energy/cpu_spent.h"
#include "energy/external/text.h"

namespace tern::energy {
namespace {

constexpr int kOk = 200;

Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// The library bounds each wait but not their number: a server that sends a byte now and then, in
// the head or in a TLS handshake, would be read for ever. A second thread shuts the socket down
// when the time is over or the caller stops. It holds a duplicate of the descriptor: the number of
// the library's own may belong to somebody else by then.
class Watch {
 public:
  Watch(const StopSignal& stop, Clock::time_point deadline)
      : stop_(stop), deadline_(deadline), thread_([this] { run(); }) {}
  ~Watch() {
    done_.raise();
    thread_.join();
    add_helper_cpu(cpu_ns_);
    if (socket_ >= 0) ::close(socket_);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // The library tells of every socket before it connects it.
  void hold(int socket) {
    const std::lock_guard lock(mutex_);
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
    if (socket_ >= 0) ::close(socket_);
    socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (ended_ || socket_ < 0) ::shutdown(socket, SHUT_RDWR);
  }

  bool ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

 private:
  void run() {
    wait();
    cpu_ns_ = cpu_spent_ns();
  }

  void wait() {
    pollfd wanted[] = {{done_.fd(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
    while (Clock::now() < deadline_) {
      const int ready = ::poll(wanted, 2, milliseconds_until(deadline_));
      if (ready > 0 && wanted[0].revents != 0) return;
      if (ready > 0) break;
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  }

  const StopSignal& stop_;
  const Clock::time_point deadline_;
  StopSignal done_;
  std::mutex mutex_;
  int socket_ = -1;
  bool ended_ = false;
  std::int64_t cpu_ns_ = 0;  // of the thread, once it has ended
  std::thread thread_;       // last: it uses all of the above
};

std::unique_ptr<httplib::ClientImpl> make_client(const HttpTarget& target) {
  if (!target.tls) return std::make_unique<httplib::ClientImpl>(target.host, target.port);
  auto client = std::make_unique<httplib::SSLClient>(target.host, target.port);
  if (!target.ca_file.empty()) client->set_ca_cert_path(target.ca_file);
  client->enable_server_certificate_verification(true);
  return client;
}

void set_up(httplib::ClientImpl& client, const HttpTarget& target, const HttpLimits& limits,
            Watch& watch) {
  client.set_hostname_addr_map({{target.host, target.address}});
  client.set_connection_timeout(std::chrono::duration<double>(limits.connect_s));
  // Later than the watch, which knows why it ends a request.
  const std::chrono::duration<double> wait(limits.total_s + 1);
  client.set_read_timeout(wait);
  client.set_write_timeout(wait);
  client.set_keep_alive(false);
  client.set_follow_location(false);
  client.set_decompress(false);
  client.set_url_encode(false);
  client.set_socket_options([&watch](socket_t socket) { watch.hold(socket); });
  if (!target.user.empty()) client.set_basic_auth(target.user, target.password);
}

std::string status_reason(int status) {
  const std::string number = std::to_string(status);
  if (status >= 300 && status < 400) {
    return "it answered with a redirect (" + number + "), which is not followed";
  }
  if (status == 401 || status == 403) {
    return "it refused with status " + number + " (it wants credentials, or others)";
  }
  return "it answered with status " + number + ", expected 200";
}

std::string error_reason(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
      return "no connection (refused, unreachable or too slow)";
    case httplib::Error::Read:
      return "its answer broke off or was no HTTP";
    case httplib::Error::SSLLoadingCerts:
      return "the file of certificates to trust cannot be loaded";
    case httplib::Error::SSLServerVerification:
      return "its TLS certificate cannot be verified";
    default:
      return "the request failed (" + httplib::to_string(error) + ")";
  }
}

Parsed<std::string> get(const HttpTarget& target, const HttpLimits& limits,
                        const StopSignal& stop) {
  Watch watch(stop, after(limits.total_s));
  const std::unique_ptr<httplib::ClientImpl> client = make_client(target);
  set_up(*client, target, limits, watch);
  std::string body;
  int status = 0;
  bool too_long = false;
  const httplib::Result result = client->Get(
      target.target, httplib::Headers{{"Accept-Encoding", "identity"}, {"Connection", "close"}},
      [&](const httplib::Response& response) {
        status = response.status;
        return status == kOk;
      },
      [&](const char* data, std::size_t size) {
        too_long = size > limits.body_bytes - body.size();
        if (!too_long) body.append(data, size);
        return !too_long;
      });
  if (stop.raised()) return Parsed<std::string>::failed("the request was called off");
  if (too_long) {
    return Parsed<std::string>::failed("its answer is longer than " +
                                       std::to_string(limits.body_bytes) + " bytes");
  }
  if (status != 0 && status != kOk) return Parsed<std::string>::failed(status_reason(status));
  if (result) return body;
  if (watch.ended()) {
    return Parsed<std::string>::failed("no complete answer within " + short_number(limits.total_s) +
                                       " s");
  }
  return Parsed<std::string>::failed(error_reason(result.error()));
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// Empty when the name service knows none.
std::string look_up(const std::string& host, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  for (const int family : {AF_INET, AF_INET6}) {
    hints.ai_family = family;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) continue;
    const AddressList list(found, &::freeaddrinfo);
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(list->ai_addr, list->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      return text.data();
    }
  }
  return "";
}

}  // namespace

Parsed<std::string> http_get(const HttpTarget& target, const HttpLimits& limits,
                             const StopSignal& stop) {
  try {
    return get(target, limits, stop);
  } catch (const std::exception& error) {  // the library's and the system's
    return Parsed<std::string>::failed(std::string("the request failed: ") + error.what());
  }
}

Parsed<std::string> resolve_host(const std::string& host, double limit_s) {
  if (std::string numeric = look_up(host, AI_NUMERICHOST); !numeric.empty()) return numeric;
  // getaddrinfo has no time-out and cannot be called off, so it runs in a thread that is left to
  // itself when it takes too long; what it writes to outlives both.
  struct Answer {
    std::mutex mutex;
    std::condition_variable arrived;
    bool done = false;
    std::string address;
  };
  const auto answer = std::make_shared<Answer>();
  std::thread([answer, host] {
    std::string address = look_up(host, 0);
    const std::lock_guard lock(answer->mutex);
    answer->address = std::move(address);
    answer->done = true;
    answer->arrived.notify_all();
  }).detach();
  std::unique_lock lock(answer->mutex);
  if (!answer->arrived.wait_until(lock, after(limit_s), [&] { return answer->done; })) {
    return Parsed<std::string>::failed("the name service did not answer for " + shown(host) +
                                       " within " + short_number(limit_s) + " s");
  }
  if (answer->address.empty()) {
    return Parsed<std::string>::failed("the name service knows no address of " + shown(host));
  }
  return answer->address;
}

}  // namespace tern::energy
