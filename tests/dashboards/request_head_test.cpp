#include "dashboards/request_head.h"

#include <unistd.h>

#include <array>
#include <string>

#include "tests/support/catch.h"

using namespace tern::dashboards;

namespace {

std::string get(const std::string& target, const std::string& headers = "Host: localhost\r\n") {
  return "GET " + target + " HTTP/1.1\r\n" + headers + "\r\n";
}

// 0 for a request that is answered.
int refusal(const std::string& head, HostPolicy policy = HostPolicy::kLoopback) {
  const auto parsed = parse_request_head(head, policy);
  const auto* refused = std::get_if<Refusal>(&parsed);
  if (refused != nullptr) {
    CHECK_FALSE(refused->message.empty());
  }
  return refused == nullptr ? 0 : refused->status;
}

}  // namespace

TEST_CASE("a plain request is taken apart", "[dashboards]") {
  const auto parsed = parse_request_head(
      "HEAD /api/runs?offset=2 HTTP/1.1\r\nhOsT:\t127.0.0.1:8080 \r\nAccept: */*\r\n\r\n",
      HostPolicy::kLoopback);
  const auto& head = std::get<RequestHead>(parsed);
  CHECK(head.method == "HEAD");
  CHECK(head.target == "/api/runs?offset=2");
}

TEST_CASE("malformed requests are refused with 400", "[dashboards]") {
  const std::string host = "Host: localhost\r\n\r\n";
  for (const std::string& head : {
           std::string("\r\n\r\n"),
           "GET\r\n" + host,
           "GET /\r\n" + host,
           "GET / HTTQ/1.1\r\n" + host,
           "GET http://localhost/ HTTP/1.1\r\n" + host,
           "GET /a b HTTP/1.1\r\n" + host,
           "GET /\x01 HTTP/1.1\r\n" + host,
           "GET /\xc3\xa9 HTTP/1.1\r\n" + host,
           "G(T / HTTP/1.1\r\n" + host,
           get("/", "Host: localhost\r\nno colon\r\n"),
           get("/", "Host: localhost\r\nname : value\r\n"),
           get("/", "Host: localhost\r\n folded: value\r\n"),
           get("/", "Host: localhost\r\nx: a\nb\r\n"),
           get("/", std::string("Host: localhost\r\nx: a\0b\r\n", 26)),
           get("/", ""),
           get("/", "Host: localhost\r\nHost: localhost\r\n"),
       }) {
    CAPTURE(head);
    CHECK(refusal(head) == 400);
  }
  CHECK(refusal("GET / HTTP/2.0\r\n" + host) == 505);
}

TEST_CASE("sizes are bounded", "[dashboards]") {
  CHECK(refusal(get("/" + std::string(kMaxTargetBytes - 1, 'a'))) == 0);
  CHECK(refusal(get("/" + std::string(kMaxTargetBytes, 'a'))) == 414);
  std::string headers = "Host: localhost\r\n";
  for (std::size_t i = 1; i < kMaxHeaders; ++i) headers += "x: y\r\n";
  CHECK(refusal(get("/", headers)) == 0);
  CHECK(refusal(get("/", headers + "x: y\r\n")) == 431);
}

TEST_CASE("only reading, and without a body", "[dashboards]") {
  for (const char* method :
       {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "BREW"}) {
    CAPTURE(method);
    CHECK(refusal(std::string(method) + " / HTTP/1.1\r\nHost: localhost\r\n\r\n") == 405);
  }
  CHECK(refusal(get("/", "Host: localhost\r\nContent-Length: 0\r\n")) == 0);
  CHECK(refusal(get("/", "Host: localhost\r\nContent-Length: 1\r\n")) == 413);
  CHECK(refusal(get("/", "Host: localhost\r\nTransfer-Encoding: chunked\r\n")) == 413);
}

TEST_CASE("a name that another site may own is refused", "[dashboards]") {
  for (const char* host :
       {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:9", "[::1]", "[::1]:80"}) {
    CAPTURE(host);
    CHECK(host_allowed(host, HostPolicy::kLoopback));
    CHECK(host_allowed(host, HostPolicy::kRemote));
  }
  for (const char* host : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                           "[::1", "[::1]x", "localhost:", "localhost:80x", "localhost:123456",
                           "127.1", "::1", "user@localhost", "[localhost]"}) {
    CAPTURE(host);
    CHECK_FALSE(host_allowed(host, HostPolicy::kLoopback));
    CHECK_FALSE(host_allowed(host, HostPolicy::kRemote));
  }
  for (const char* host : {"192.168.1.7:8080", "[fe80::1]:80"}) {
    CAPTURE(host);
    CHECK_FALSE(host_allowed(host, HostPolicy::kLoopback));
    CHECK(host_allowed(host, HostPolicy::kRemote));
  }
  CHECK(refusal(get("/", "Host: evil.example\r\n")) == 403);
  std::array<char, 256> name{};
  REQUIRE(::gethostname(name.data(), name.size() - 1) == 0);
  CHECK(host_allowed(name.data(), HostPolicy::kRemote));
}
