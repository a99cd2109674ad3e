#include "harness/fetch/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "harness/error.h"

namespace tern::harness {

namespace {

constexpr int kHttpPort = 80;
constexpr int kHttpsPort = 443;
constexpr std::size_t kShown = 100;  // characters of a bad URL

bool is_plain(char c) { return c > ' ' && c < '\x7f' && c != '\\' && c != '"'; }

[[noreturn]] void refuse(std::string_view what, const std::string& expected, std::string_view got) {
  std::string shown;
  for (const char c : got.substr(0, kShown)) shown += is_plain(c) ? c : '?';
  throw Error(fmt::format("{}: expected {}, got '{}'", what, expected, shown));
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && std::all_of(host.begin(), host.end(), [](char c) {
            return c == '.' || (c >= '0' && c <= '9');
          }));
}

int parse_port(std::string_view digits, std::string_view what, std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port < 1 || port > 65535)
    refuse(what, "a port from 1 to 65535", text);
  return port;
}

// "host", "host:80", "[::1]" or "[::1]:80".
void parse_authority(Url& url, std::string_view authority, std::string_view what,
                     std::string_view text) {
  if (authority.find('@') != std::string_view::npos)
    throw Error(fmt::format("{}: expected a URL without user name and password", what));
  std::string_view rest;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) refuse(what, "a ']' behind an IPv6 address", text);
    url.host = authority.substr(1, close - 1);
    rest = authority.substr(close + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    rest = authority.substr(colon);
  }
  if (url.host.empty()) refuse(what, "a host", text);
  if (rest.empty()) return;
  if (!rest.starts_with(':')) refuse(what, "HOST or HOST:PORT", text);
  url.port = parse_port(rest.substr(1), what, text);
}

}  // namespace

std::string Url::origin() const {
  const bool bracketed = host.find(':') != std::string::npos;
  const std::string name = bracketed ? "[" + host + "]" : host;
  const bool usual = port == (tls ? kHttpsPort : kHttpPort);
  return fmt::format("{}://{}{}", tls ? "https" : "http", name,
                     usual ? "" : fmt::format(":{}", port));
}

Url parse_url(std::string_view text, std::string_view what) {
  if (!std::all_of(text.begin(), text.end(), is_plain))
    refuse(what, "a URL of printable ASCII characters without spaces", text);
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    url.tls = false;
    url.port = kHttpPort;
  } else {
    refuse(what, "https://HOST/…", text);
  }
  rest = rest.substr(0, rest.find('#'));
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  parse_authority(url, rest.substr(0, end), what, text);
  if (!url.tls && !is_loopback(url.host))
    refuse(what, "https (http is for this machine alone)", text);
  const std::string_view target = rest.substr(end);
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

Url redirected(const Url& from, std::string_view location) {
  // Without the query: servers put signatures there.
  const std::string path = from.target.substr(0, from.target.find('?'));
  const std::string what = "the redirect of " + from.origin() + path;
  if (location.find("://") < location.find_first_of("/?#")) {
    Url url = parse_url(location, what);
    if (from.tls && !url.tls) refuse(what, "https again", location);
    return url;
  }
  if (location.starts_with("//"))
    return parse_url((from.tls ? "https:" : "http:") + std::string(location), what);
  std::string target(location);
  if (!location.starts_with('/')) {
    target = path.substr(0, path.rfind('/') + 1) + target;
  }
  return parse_url(from.origin() + target, what);
}

std::string url_escape(std::string_view segment) {
  std::string escaped;
  for (const char c : segment) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    escaped +=
        unreserved ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

}  // namespace tern::harness
