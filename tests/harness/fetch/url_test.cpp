#include "harness/fetch/url.h"

#include "harness/error.h"
#include "tests/support/catch.h"

namespace tern::harness {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("a URL is taken apart and put together again") {
  const Url url = parse_url("https://hub.example:8443/a/b?c=d#e", "HF_ENDPOINT");
  CHECK(url.tls);
  CHECK(url.host == "hub.example");
  CHECK(url.port == 8443);
  CHECK(url.target == "/a/b?c=d");
  CHECK(url.origin() == "https://hub.example:8443");
  CHECK(url.text() == "https://hub.example:8443/a/b?c=d");
  CHECK(parse_url("https://hub.example", "").text() == "https://hub.example/");
  CHECK(parse_url("https://hub.example?a", "").target == "/?a");
  const Url six = parse_url("http://[::1]:81/", "");
  CHECK(six.host == "::1");
  CHECK(six.origin() == "http://[::1]:81");
}

TEST_CASE("plain http is for this machine alone") {
  CHECK_FALSE(parse_url("http://127.0.0.1:5/", "").tls);
  CHECK_FALSE(parse_url("http://localhost/", "").tls);
  for (const char* text :
       {"http://hub.example/", "http://127.0.0.1.hub.example/", "http://192.168.0.1/"}) {
    CHECK_THROWS_WITH(parse_url(text, "HF_ENDPOINT"), Contains("HF_ENDPOINT: expected https"));
  }
}

TEST_CASE("what is no URL of a file is refused") {
  for (const char* text :
       {"", "hub.example/a", "ftp://hub.example/", "https://", "https:///a", "https://h:0/",
        "https://h:65536/", "https://h:8x/", "https://h/a b", "https://h/a\nb", "https://[::1/",
        "https://[::1]8/", "https://h\\evil/"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_url(text, "what"), Error);
  }
  // A password in it must not come back in the message.
  CHECK_THROWS_WITH(parse_url("https://me:secret@h/", "what"), !Contains("secret"));
}

TEST_CASE("a redirect leads where RFC 3986 says") {
  const Url from = parse_url("https://hub.example/a/b?c", "");
  CHECK(redirected(from, "https://cdn.example/x?y").text() == "https://cdn.example/x?y");
  CHECK(redirected(from, "//cdn.example/x").text() == "https://cdn.example/x");
  CHECK(redirected(from, "/x?u=https://z/").text() == "https://hub.example/x?u=https://z/");
  CHECK(redirected(from, "x").text() == "https://hub.example/a/x");
  CHECK_THROWS_AS(redirected(from, "http://127.0.0.1/x"), Error);
  CHECK_THROWS_AS(redirected(from, "file:///etc/passwd"), Error);
  const Url local = parse_url("http://127.0.0.1:1/a", "");
  CHECK(redirected(local, "http://127.0.0.1:2/b").port == 2);
}

TEST_CASE("a redirect's message keeps signatures of queries to itself") {
  const Url from = parse_url("https://cdn.example/x?signature=secret", "");
  CHECK_THROWS_WITH(redirected(from, "ftp://y/"), Contains("cdn.example/x") && !Contains("secret"));
}

TEST_CASE("segments of paths are escaped") {
  CHECK(url_escape("a-Z_0.~") == "a-Z_0.~");
  CHECK(url_escape("a b/c?ä") == "a%20b%2Fc%3F%C3%A4");
}

}  // namespace
}  // namespace tern::harness
