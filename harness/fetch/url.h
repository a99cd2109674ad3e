#pragma once
// The little of URLs that fetching files needs (RFC 3986): absolute http and https ones, and what a
// redirect's Location means. Plain http is for this machine alone: what came over it from elsewhere
// could be anybody's.

#include <string>
#include <string_view>

namespace tern::harness {

struct Url {
  bool tls = true;
  std::string host;  // without the brackets of IPv6
  int port = 443;
  std::string target = "/";  // path and query, as sent

  std::string origin() const;  // "https://host" or "http://host:8080": who would get a token
  std::string text() const { return origin() + target; }
};

// Throws Error (exit code 2), naming `what`, for anything else: another scheme, user names and
// passwords, control characters or spaces, plain http to another machine.
Url parse_url(std::string_view text, std::string_view what);

// Where a redirect from `from` leads. Throws Error as parse_url does; never from https to http.
Url redirected(const Url& from, std::string_view location);

// A segment of a path, everything but RFC 3986's unreserved characters percent-encoded.
std::string url_escape(std::string_view segment);

}  // namespace tern::harness
