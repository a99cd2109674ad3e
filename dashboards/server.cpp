#include "dashboards/server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "dashboards/assets.h"
#include "dashboards/connection.h"
#include "dashboards/error.h"
#include "dashboards/request_head.h"

namespace tern::dashboards {
namespace {

// Where a request that was refused goes inside the library; no client's header gets that far.
constexpr const char* kRefusalHeader = "Tern-Refusal";
constexpr const char* kJson = "application/json; charset=utf-8";
constexpr std::string_view kRunsPath = "/api/runs";

httplib::Headers security_headers() {
  return {
      {"Content-Security-Policy",
       "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
       "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
       "frame-ancestors 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Cache-Control", "no-store"},
      {"Accept-Ranges", "none"},
  };
}

// Set on the accepting thread while it turns a connection away that no thread is free for.
thread_local bool overloaded = false;

// A fixed number of threads and a bounded queue; the library's own queue grows without limit.
class BoundedQueue final : public httplib::TaskQueue {
 public:
  BoundedQueue(int threads, int waiting) : waiting_(static_cast<std::size_t>(waiting)) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }

  void enqueue(std::function<void()> task) override {
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.size() < waiting_ + idle_) {
        tasks_.push_back(std::move(task));
        task = nullptr;
      }
    }
    if (!task) {
      wake_.notify_one();
      return;
    }
    overloaded = true;
    task();
    overloaded = false;
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      wake_.wait(lock, [this] { return closed_ || !tasks_.empty(); });
      --idle_;
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const std::size_t waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::size_t idle_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

// What the library reads and writes in place of the socket: a head that was checked already, and
// the answer within its time.
class CheckedStream final : public httplib::Stream {
 public:
  CheckedStream(Connection& connection, std::string head, Connection::Clock::time_point deadline)
      : connection_(connection), head_(std::move(head)), deadline_(deadline) {}

  bool is_readable() const override { return position_ < head_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, std::size_t size) override {
    const std::size_t count = head_.copy(to, size, position_);
    position_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, std::size_t size) override {
    return connection_.send({from, size}, deadline_) ? static_cast<ssize_t>(size) : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    get_remote_ip_and_port(ip, port);
  }
  socket_t socket() const override { return connection_.socket(); }

 private:
  Connection& connection_;
  std::string head_;
  std::size_t position_ = 0;
  Connection::Clock::time_point deadline_;
};

class CheckedServer final : public httplib::Server {
 public:
  CheckedServer(const ServerOptions& options, const std::atomic<bool>& stopping)
      : options_(options), stopping_(stopping) {}

  // The library closes the listening socket only when its loop has run.
  ~CheckedServer() override {
    const socket_t socket = svr_sock_.exchange(INVALID_SOCKET);
    if (socket != INVALID_SOCKET) ::close(socket);
  }

 private:
  bool process_and_close_socket(socket_t socket) override {
    Connection connection(socket, stopping_);
    const std::string head = checked_head(connection);
    if (head.empty()) return false;
    CheckedStream stream(connection, head, Connection::Clock::now() + options_.answer_time);
    bool closed = false;
    const bool answered = process_request(stream, true, closed, nullptr);
    // The accepting thread must not be held up for long.
    connection.finish(std::chrono::milliseconds(overloaded ? 50 : 1000));
    return answered;
  }

  // The request as the library shall see it; empty where nobody asked anything. Of a client's
  // headers none is passed on: no ranges, no compression, no 100-continue.
  std::string checked_head(Connection& connection) const {
    if (overloaded) return refused(503, "too many connections at once; try again");
    std::string text;
    switch (
        connection.read_head(text, kMaxHeadBytes, Connection::Clock::now() + options_.head_time)) {
      case Connection::Head::kTooLong:
        return refused(431,
                       "the request is longer than " + std::to_string(kMaxHeadBytes) + " bytes");
      case Connection::Head::kTooSlow:
        return refused(408, "the request did not arrive in time");
      case Connection::Head::kClosed:
        return "";
      case Connection::Head::kComplete:
        break;
    }
    const HostPolicy policy = options_.allow_remote ? HostPolicy::kRemote : HostPolicy::kLoopback;
    const auto parsed = parse_request_head(text, policy);
    if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
      return refused(refusal->status, refusal->message);
    }
    const auto& head = std::get<RequestHead>(parsed);
    return head.method + " " + head.target + " HTTP/1.1\r\n\r\n";
  }

  static std::string refused(int status, const std::string& message) {
    return std::string("GET / HTTP/1.1\r\n") + kRefusalHeader + ": " + std::to_string(status) +
           " " + message + "\r\n\r\n";
  }

  const ServerOptions& options_;
  const std::atomic<bool>& stopping_;
};

void answer_error(httplib::Response& response, int status, const std::string& message) {
  response.status = status;
  if (status == 405) response.set_header("Allow", "GET, HEAD");
  response.set_content(nlohmann::json{{"error", message}}.dump(
                           -1, ' ', false, nlohmann::json::error_handler_t::replace),
                       kJson);
}

bool is_run_id(std::string_view text) {
  return !text.empty() && text.size() <= 36 &&
         text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

// "offset=N" and nothing else; nullopt on anything else.
std::optional<std::size_t> parse_offset(std::string_view query) {
  if (query.empty()) return 0;
  constexpr std::string_view kKey = "offset=";
  if (!query.starts_with(kKey)) return std::nullopt;
  query.remove_prefix(kKey.size());
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(query.data(), query.data() + query.size(), value);
  if (error != std::errc() || end != query.data() + query.size()) return std::nullopt;
  return value;
}

bool is_loopback(const std::string& host) {
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
  in6_addr six{};
  return ::inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool is_address(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string checked_host(const ServerOptions& options) {
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  if (!is_address(host)) {
    throw Error("--host: expected localhost or an IP address, got \"" + options.host + "\"");
  }
  if (!is_loopback(host) && !options.allow_remote) {
    throw Error("--host: " + host +
                " can be reached from other machines, and anybody there could "
                "read all stored runs; give --allow-remote if that is meant");
  }
  return host;
}

}  // namespace

struct Server::Impl {
  Impl(DataSource& data, const ServerOptions& given)
      : source(data), options(given), host(checked_host(given)), server(options, stopping) {
    server.set_default_headers(security_headers());
    server.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          answer(request, response);
          return httplib::Server::HandlerResponse::Handled;
        });
    server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      // Errors of our own have their sentence already.
      if (response.body.empty()) {
        answer_error(response, response.status, "the request could not be read");
      }
    });
    server.new_task_queue = [this] { return new BoundedQueue(options.threads, options.waiting); };
    bind();
  }

  void bind() {
    // The library's default, SO_REUSEPORT, would let two servers share a port without a word.
    server.set_socket_options([](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    errno = 0;
    if (options.port == 0) {
      port = server.bind_to_any_port(host, AI_NUMERICHOST);
    } else if (server.bind_to_port(host, options.port, AI_NUMERICHOST)) {
      port = options.port;
    }
    if (port > 0) return;
    const std::string place = host + " port " + std::to_string(options.port);
    if (errno == EADDRINUSE) {
      throw Error(place +
                  " is busy: another program listens there; give another --port, or --port 0 "
                  "for a free one");
    }
    throw Error("cannot listen on " + place + ": " +
                (errno != 0 ? std::strerror(errno) : "the address was refused"));
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    if (request.has_header(kRefusalHeader)) {
      const std::string refusal = request.get_header_value(kRefusalHeader);
      answer_error(response, std::stoi(refusal), refusal.substr(4));
      return;
    }
    // Percent signs are not decoded: no address of this server needs them.
    const std::string_view target = request.target;
    const std::size_t question = target.find('?');
    const std::string_view path = target.substr(0, question);
    const std::string_view query =
        question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
    try {
      if (path == kRunsPath) {
        answer_runs(query, response);
      } else if (path.starts_with(kRunsPath) && path[kRunsPath.size()] == '/') {
        answer_run(path.substr(kRunsPath.size() + 1), response);
      } else {
        answer_asset(path.substr(1), response);
      }
    } catch (const std::exception& error) {
      answer_error(response, 500, error.what());
    }
  }

  void answer_runs(std::string_view query, httplib::Response& response) {
    const std::optional<std::size_t> offset = parse_offset(query);
    if (!offset) {
      answer_error(response, 400, "expected no query or offset=N, N a number of runs to skip");
      return;
    }
    response.status = 200;
    response.set_content(source.runs(*offset), kJson);
  }

  void answer_run(std::string_view id, httplib::Response& response) {
    if (!is_run_id(id)) {
      answer_error(response, 400, "expected the id of a run: hexadecimal digits and dashes");
      return;
    }
    const std::optional<std::string> run = source.run(std::string(id));
    if (!run) {
      answer_error(response, 404, "there is no run " + std::string(id));
      return;
    }
    response.status = 200;
    response.set_content(*run, kJson);
  }

  // Only names that were embedded, so no path leads out of the folder given with --assets.
  void answer_asset(std::string_view path, httplib::Response& response) {
    const std::string_view wanted = path.empty() ? "index.html" : path;
    for (const Asset& asset : assets()) {
      if (asset.path != wanted) continue;
      response.status = 200;
      response.set_content(body_of(asset), std::string(asset.type));
      return;
    }
    answer_error(response, 404, "there is nothing at this address");
  }

  std::string body_of(const Asset& asset) const {
    if (!options.assets.empty()) {
      std::ifstream file(options.assets / asset.path, std::ios::binary);
      if (file) return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }
    return std::string(asset.body);
  }

  DataSource& source;
  const ServerOptions options;
  const std::string host;
  std::atomic<bool> stopping{false};
  std::atomic<bool> running{false};
  CheckedServer server;
  int port = 0;
};

Server::Server(DataSource& source, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(source, options)) {}

Server::~Server() = default;

int Server::port() const noexcept { return impl_->port; }

std::string Server::url() const {
  const bool six = impl_->host.find(':') != std::string::npos;
  return "http://" + (six ? "[" + impl_->host + "]" : impl_->host) + ":" +
         std::to_string(impl_->port) + "/";
}

void Server::run() {
  impl_->running = true;
  if (!impl_->stopping) impl_->server.listen_after_bind();
  impl_->running = false;
}

// The library ignores a stop that comes before its loop has begun, so it is repeated until run()
// ends.
void Server::stop() noexcept {
  impl_->stopping = true;
  while (impl_->running) {
    impl_->server.stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace tern::dashboards
