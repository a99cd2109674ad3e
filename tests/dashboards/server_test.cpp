#include "dashboards/server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "dashboards/assets.h"
#include "dashboards/error.h"
#include "tests/support/catch.h"

using namespace tern::dashboards;

namespace {

// Holds requests at a gate when told to, and counts how many are inside at once.
class FakeSource final : public DataSource {
 public:
  std::string runs(std::size_t offset) override {
    std::unique_lock lock(mutex_);
    ++inside_;
    most_ = std::max(most_, inside_);
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --inside_;
    return R"({"total":1,"offset":)" + std::to_string(offset) + R"(,"runs":[{"id":"0a"}]})";
  }
  std::optional<std::string> run(const std::string& id) override {
    if (id == "bad") throw std::runtime_error("the store is \"gone\"");
    if (id != "0a") return std::nullopt;
    return R"({"id":"0a"})";
  }

  void close_gate() { set(false); }
  void open_gate() { set(true); }
  void wait_inside(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ == count; });
  }
  int most() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0, most_ = 0;
  bool open_ = true;
};

ServerOptions on_free_port() {
  ServerOptions options;
  options.port = 0;
  return options;
}

class RunningServer {
 public:
  explicit RunningServer(ServerOptions options = on_free_port())
      : server(source, options), thread_([this] { server.run(); }) {}
  ~RunningServer() {
    source.open_gate();
    server.stop();
    thread_.join();
  }

  int connect() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // On failure the first send or read fails, and so does the test.
    static_cast<void>(
        ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return socket;
  }

  FakeSource source;
  Server server;

 private:
  std::thread thread_;
};

void send_bytes(int socket, const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::send(socket, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (count <= 0) return;  // the server had enough
    done += static_cast<std::size_t>(count);
  }
}

std::string read_all(int socket) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(socket);
  return text;
}

std::string talk(const RunningServer& running, const std::string& bytes) {
  const int socket = running.connect();
  send_bytes(socket, bytes);
  return read_all(socket);
}

std::string fetch(const RunningServer& running, const std::string& target,
                  const std::string& method = "GET", const std::string& host = "127.0.0.1") {
  return talk(running, method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

std::string body_of(const std::string& answer) {
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

void check_error(const std::string& answer, int status) {
  CAPTURE(answer);
  CHECK(status_of(answer) == status);
  CHECK(answer.find("Content-Type: application/json") != std::string::npos);
  CHECK(nlohmann::json::parse(body_of(answer)).at("error").get<std::string>() != "");
}

void check_security(const std::string& answer) {
  CAPTURE(answer.substr(0, 400));
  for (const char* header :
       {"\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self'; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'\r\n",
        "\r\nX-Content-Type-Options: nosniff\r\n", "\r\nReferrer-Policy: no-referrer\r\n",
        "\r\nCross-Origin-Opener-Policy: same-origin\r\n", "\r\nConnection: close\r\n"}) {
    CAPTURE(header);
    CHECK(answer.find(header) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("the page and the data are served", "[dashboards]") {
  const RunningServer running;
  const std::string page = fetch(running, "/");
  CHECK(status_of(page) == 200);
  CHECK(page.find("Content-Type: text/html; charset=utf-8") != std::string::npos);
  CHECK(body_of(page) == body_of(fetch(running, "/index.html?x=1")));
  CHECK(assets().size() >= 10);
  for (const Asset& asset : assets()) {
    const std::string answer = fetch(running, "/" + std::string(asset.path));
    CAPTURE(asset.path);
    CHECK(status_of(answer) == 200);
    CHECK(body_of(answer) == asset.body);
    CHECK(answer.find("Content-Type: " + std::string(asset.type)) != std::string::npos);
    check_security(answer);
  }
  CHECK(body_of(fetch(running, "/api/runs")) == R"({"total":1,"offset":0,"runs":[{"id":"0a"}]})");
  CHECK(body_of(fetch(running, "/api/runs?offset=7")).find(R"("offset":7)") != std::string::npos);
  const std::string run = fetch(running, "/api/runs/0a");
  CHECK(body_of(run) == R"({"id":"0a"})");
  CHECK(run.find("Content-Type: application/json") != std::string::npos);
  check_security(run);
}

TEST_CASE("HEAD has the same headers and no body", "[dashboards]") {
  const RunningServer running;
  const std::string head = fetch(running, "/", "HEAD");
  CHECK(status_of(head) == 200);
  CHECK(body_of(head).empty());
  const std::string get = fetch(running, "/");
  CHECK(head == get.substr(0, head.size()));
}

TEST_CASE("what is refused says why, with the same headers", "[dashboards]") {
  const RunningServer running;
  const std::vector<std::pair<std::string, int>> cases = {
      {fetch(running, "/nothing"), 404},
      {fetch(running, "/../harness/record.h"), 404},
      {fetch(running, "/%2e%2e/%2e%2e/etc/passwd"), 404},
      {fetch(running, "//etc/passwd"), 404},
      {fetch(running, "/web/index.html"), 404},
      {fetch(running, "/api/runs/00"), 404},
      {fetch(running, "/api/runs/"), 400},
      {fetch(running, "/api/runs/0A"), 400},
      {fetch(running, "/api/runs/0a'--"), 400},
      {fetch(running, "/api/runs/%30a"), 400},
      {fetch(running, "/api/runs?offset=-1"), 400},
      {fetch(running, "/api/runs?offset=99999999999999999999"), 400},
      {fetch(running, "/api/runs?x"), 400},
      {fetch(running, "/api/runsx"), 404},
      {fetch(running, "/api/runs/bad"), 500},
      {fetch(running, "/", "POST"), 405},
      {fetch(running, "/api/runs/0a", "DELETE"), 405},
      {fetch(running, "/", "GET", "evil.example"), 403},
      {talk(running, "\r\n\r\n"), 400},
      {talk(running, std::string("\x16\x03\x01\0\r\n\r\n", 8)), 400},
      {talk(running, "GET / HTTP/1.1\r\nHost: localhost\r\nTern-Refusal: 200 hello\r\nx\r\n\r\n"),
       400},
  };
  for (const auto& [answer, status] : cases) {
    check_error(answer, status);
    check_security(answer);
  }
  CHECK(fetch(running, "/", "POST").find("\r\nAllow: GET, HEAD\r\n") != std::string::npos);
  CHECK(body_of(fetch(running, "/api/runs/bad")) == R"({"error":"the store is \"gone\""})");
}

TEST_CASE("headers that would change an answer do not get through", "[dashboards]") {
  const RunningServer running;
  const std::string plain = fetch(running, "/");
  CHECK(talk(running,
             "GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-3\r\n"
             "Accept-Encoding: br, gzip\r\nExpect: 100-continue\r\n"
             "Tern-Refusal: 500 x\r\n\r\n") == plain);
}

TEST_CASE("oversized and slow requests end", "[dashboards]") {
  ServerOptions options = on_free_port();
  options.head_time = std::chrono::milliseconds(300);
  const RunningServer running(options);
  check_error(talk(running, "GET / HTTP/1.1\r\nHost: localhost\r\nx: " + std::string(1 << 20, 'a')),
              431);
  check_error(talk(running, "GET /" + std::string(1 << 20, 'a')), 431);
  check_error(
      talk(running, "GET /" + std::string(4000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
      414);
  check_error(talk(running, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n" +
                                std::string(99999, 'a')),
              405);
  check_error(talk(running, "GET / HTTP/1.1\r\nHost: loc"), 408);
  CHECK(talk(running, "").empty());
}

TEST_CASE("requests at once are bounded, and one too many is told so", "[dashboards]") {
  ServerOptions options = on_free_port();
  options.threads = 2;
  options.waiting = 1;
  RunningServer running(options);
  running.source.close_gate();
  const std::string request = "GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::vector<int> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(running.connect());
    send_bytes(held.back(), request);
    running.source.wait_inside(i + 1);
  }
  held.push_back(running.connect());  // waits for a thread
  send_bytes(held.back(), request);
  const std::string turned_away = talk(running, request);
  check_error(turned_away, 503);
  check_security(turned_away);
  running.source.open_gate();
  for (const int socket : held) CHECK(status_of(read_all(socket)) == 200);
  CHECK(running.source.most() == 2);
}

TEST_CASE("a server stops while clients are connected, and before it runs", "[dashboards]") {
  FakeSource source;
  {
    Server never_run(source, on_free_port());
    never_run.stop();
    never_run.run();
  }
  int idle = -1;
  {
    const RunningServer running;
    CHECK(status_of(fetch(running, "/")) == 200);
    idle = running.connect();
  }
  CHECK(read_all(idle).empty());
}

TEST_CASE("hosts and ports that cannot be are refused", "[dashboards]") {
  const RunningServer running;
  FakeSource source;
  const auto message = [&](const ServerOptions& options) -> std::string {
    try {
      const Server server(source, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  ServerOptions options = on_free_port();
  CHECK(message(options).empty());
  options.port = running.server.port();
  CHECK(message(options).find("is busy") != std::string::npos);
  options = on_free_port();
  options.host = "0.0.0.0";
  CHECK(message(options).find("--allow-remote") != std::string::npos);
  options.host = "::";
  CHECK(message(options).find("--allow-remote") != std::string::npos);
  options.host = "example.org";
  CHECK(message(options).find("expected localhost or an IP address") != std::string::npos);
  options.host = "0.0.0.0";
  options.allow_remote = true;
  CHECK(message(options).empty());
  // An address of nobody's: TEST-NET-1.
  options.host = "192.0.2.1";
  CHECK(message(options).find("cannot listen on 192.0.2.1") != std::string::npos);
}

TEST_CASE("files from a folder replace the embedded ones, and no others appear", "[dashboards]") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("tern-assets-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "style.css") << "body { color: red }";
  std::ofstream(folder / "secret.txt") << "secret";
  ServerOptions options = on_free_port();
  options.assets = folder;
  {
    const RunningServer running(options);
    CHECK(body_of(fetch(running, "/style.css")) == "body { color: red }");
    CHECK(body_of(fetch(running, "/app.js")).find("import") != std::string::npos);
    CHECK(status_of(fetch(running, "/secret.txt")) == 404);
  }
  std::filesystem::remove_all(folder);
}
