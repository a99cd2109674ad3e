#include "energy/external/http_get.h"

#include <signal.h>

#include <thread>

#include "tests/energy/external/raw_server.h"
#include "tests/support/catch.h"

using namespace tern::energy;
using Catch::Contains;
using tern::tests::RawServer;

namespace {

// As http_get asks of its callers.
void block_sigpipe() {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

Parsed<std::string> ask(const RawServer& server, double total_s = 30,
                        const std::string& user = "") {
  block_sigpipe();
  HttpTarget target;
  target.host = "meter.example";  // only the address is connected to
  target.address = "127.0.0.1";
  target.port = server.port();
  target.target = "/cm?cmnd=Status%2010";
  target.user = user;
  target.password = user.empty() ? "" : "secret";
  const StopSignal never;
  return http_get(target, {.connect_s = 5, .total_s = total_s}, never);
}

RawServer::Script always(const std::string& text) {
  return [text](int socket, const StopSignal&) { RawServer::send(socket, text); };
}

Clock::time_point in_a_minute() { return Clock::now() + std::chrono::minutes(1); }

std::string refusal(const Parsed<std::string>& body) {
  CHECK_FALSE(body);
  return body.error;
}

}  // namespace

TEST_CASE("a good answer is its body, and the request is what was asked for") {
  const RawServer server(always(RawServer::answer("hello")));
  const auto body = ask(server);
  INFO(body.error);
  REQUIRE(body);
  CHECK(*body == "hello");
  const std::string request = server.requests().at(0);
  CHECK_THAT(request, Catch::StartsWith("GET /cm?cmnd=Status%2010 HTTP/1.1\r\n"));
  CHECK_THAT(request, Contains("Host: meter.example:"));
  CHECK_THAT(request, !Contains("Authorization"));
}

TEST_CASE("a password goes where the caller says, and only there") {
  const RawServer server(always(RawServer::answer("")));
  CHECK(ask(server, 30, "root"));
  CHECK_THAT(server.requests().at(0), Contains("Authorization: Basic cm9vdDpzZWNyZXQ=\r\n"));
}

TEST_CASE("an answer in pieces and without a length is complete at its end") {
  const RawServer server([](int socket, const StopSignal& stop) {
    for (const char* part : {"HTTP/1.1 200", " OK\r\n\r", "\n{\"a\"", ":1}"}) {
      RawServer::send(socket, part);
      stop.wait_until(Clock::now() + std::chrono::milliseconds(20));
    }
  });
  const auto body = ask(server);
  REQUIRE(body);
  CHECK(*body == "{\"a\":1}");
}

TEST_CASE("a meter that does not answer is given up") {
  const RawServer server([](int, const StopSignal& stop) { stop.wait_until(in_a_minute()); });
  CHECK_THAT(refusal(ask(server, 0.2)), Contains("no complete answer within 0.2 s"));
}

TEST_CASE("a meter that answers a byte at a time is given up too") {
  // Each byte comes long before a wait for one runs out; only the whole request has an end.
  const RawServer server([](int socket, const StopSignal& stop) {
    RawServer::send(socket, "HTTP/1.1 200 OK\r\nX: ");
    while (!stop.wait_until(Clock::now() + std::chrono::milliseconds(20))) {
      if (!RawServer::send(socket, "x")) return;
    }
  });
  CHECK_THAT(refusal(ask(server, 0.5)), Contains("no complete answer within 0.5 s"));
}

TEST_CASE("a long answer is cut off, whatever length it says") {
  const std::string megabyte(1 << 20, ' ');
  for (const char* length : {"Content-Length: 10485760\r\n", ""}) {
    INFO(length);
    const RawServer server([&](int socket, const StopSignal&) {
      RawServer::send(socket, "HTTP/1.1 200 OK\r\n" + std::string(length) + "\r\n");
      for (int i = 0; i < 10 && RawServer::send(socket, megabyte); ++i) {
      }
    });
    CHECK_THAT(refusal(ask(server)), Contains("longer than 262144 bytes"));
  }
}

TEST_CASE("a redirect is not followed, and neither it nor an error page is a reading") {
  const RawServer elsewhere(always(RawServer::answer("{\"apower\":1}")));
  const RawServer server(always(
      RawServer::answer("{\"apower\":1}", "302 Found", "Location: " + elsewhere.url() + "/\r\n")));
  CHECK_THAT(refusal(ask(server, 30, "root")), Contains("redirect (302)"));
  CHECK(elsewhere.connections() == 0);
  const RawServer failing(always(RawServer::answer("{\"apower\":1}", "500 Oh")));
  CHECK_THAT(refusal(ask(failing)), Contains("status 500"));
  const RawServer locked(always(RawServer::answer("", "401 No", "WWW-Authenticate: Basic\r\n")));
  const std::string why = refusal(ask(locked, 30, "root"));
  CHECK_THAT(why, Contains("401") && Contains("credentials") && !Contains("secret"));
}

TEST_CASE("what is no complete HTTP is no answer") {
  for (const char* text :
       {"", "\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"apower\":1}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"apow"}) {
    CAPTURE(text);
    const RawServer server(always(text));
    CHECK_THAT(refusal(ask(server)), Contains("broke off") || Contains("failed"));
  }
}

TEST_CASE("nobody at the address is a reason") {
  RawServer server(always(""));
  server.vanish();
  CHECK_THAT(refusal(ask(server)), Contains("no connection"));
}

TEST_CASE("a request ends when its caller stops") {
  const RawServer server([](int, const StopSignal& stop) { stop.wait_until(in_a_minute()); });
  block_sigpipe();
  StopSignal stop;
  std::thread stopper([&] {
    while (server.requests().empty()) std::this_thread::yield();
    stop.raise();
  });
  const auto body = http_get({.host = "127.0.0.1", .address = "127.0.0.1", .port = server.port()},
                             {.connect_s = 5, .total_s = 300}, stop);
  stopper.join();
  CHECK_THAT(refusal(body), Contains("called off"));
}

TEST_CASE("a certificate that nobody vouches for, or none, is no TLS") {
  const RawServer server(always(RawServer::answer("hello")));
  block_sigpipe();
  const StopSignal never;
  HttpTarget target{
      .tls = true, .host = "127.0.0.1", .address = "127.0.0.1", .port = server.port()};
  CHECK_THAT(refusal(http_get(target, {.connect_s = 0.5, .total_s = 0.5}, never)),
             Contains("SSL") || Contains("TLS") || Contains("no complete answer"));
  target.ca_file = "/nonexistent/certificate.pem";
  CHECK_FALSE(http_get(target, {.connect_s = 0.5, .total_s = 0.5}, never));
}

TEST_CASE("addresses are found with an end") {
  CHECK(*resolve_host("127.0.0.1", 1) == "127.0.0.1");
  CHECK(*resolve_host("::1", 1) == "::1");
  const auto local = resolve_host("localhost", 30);
  REQUIRE(local);
  CHECK((*local == "127.0.0.1" || *local == "::1"));
  CHECK_THAT(refusal(resolve_host("no-such-host.invalid", 30)), Contains("no-such-host.invalid"));
}
