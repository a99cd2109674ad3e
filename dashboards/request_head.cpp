#include "dashboards/request_head.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace tern::dashboards {
namespace {

constexpr std::string_view kNewline = "\r\n";

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_visible(char c) { return c > ' ' && c < '\x7f'; }

// Field values: visible characters, spaces and tabs; bytes from 0x80 on are opaque.
bool is_value_char(char c) {
  return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The next line without its CR LF; the text behind it stays in `rest`.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find(kNewline);
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(rest.size(), line.size() + kNewline.size()));
  return line;
}

bool is_number(std::string_view text, std::size_t max_digits) {
  return !text.empty() && text.size() <= max_digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<Refusal> read_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return Refusal{400, "expected a request line of method, target and version"};
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(head.method)) return Refusal{400, "the method is not a word"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return Refusal{version.starts_with("HTTP/") ? 505 : 400, "expected HTTP/1.1 or HTTP/1.0"};
  }
  if (head.target.size() > kMaxTargetBytes) {
    return Refusal{414, "the address is longer than " + std::to_string(kMaxTargetBytes) + " bytes"};
  }
  if (!head.target.starts_with('/') ||
      !std::all_of(head.target.begin(), head.target.end(), is_visible)) {
    return Refusal{
        400, "expected an address that starts with / and holds no blanks or control characters"};
  }
  return std::nullopt;
}

// What the headers say, as far as it matters here.
struct Fields {
  std::size_t count = 0;
  std::size_t hosts = 0;
  std::string host;
  bool body = false;
};

std::optional<Refusal> read_field(std::string_view line, Fields& fields) {
  if (++fields.count > kMaxHeaders) {
    return Refusal{431, "more than " + std::to_string(kMaxHeaders) + " headers"};
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return Refusal{400, "a header line has no name and colon"};
  }
  const std::string name = lower(line.substr(0, colon));
  const std::string_view value = trim(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), is_value_char)) {
    return Refusal{400, "a header holds a control character"};
  }
  if (name == "host") {
    ++fields.hosts;
    fields.host = value;
  } else if (name == "transfer-encoding" || (name == "content-length" && value != "0")) {
    fields.body = true;
  }
  return std::nullopt;
}

bool is_ipv4(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  return lower(name.data());
}

}  // namespace

bool host_allowed(std::string_view host, HostPolicy policy) {
  std::string_view name = host;
  std::string_view port;
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  if (const std::size_t colon = host.find(':', bracket); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    port = host.substr(colon + 1);
    // Any port: it may have been forwarded, through ssh for instance.
    if (!is_number(port, 5)) return false;
  }
  const bool remote = policy == HostPolicy::kRemote;
  if (name.starts_with('[')) {
    if (!name.ends_with(']')) return false;
    const std::string address(name.substr(1, name.size() - 2));
    return address == "::1" || (remote && is_ipv6(address));
  }
  const std::string text = lower(name);
  if (text == "localhost") return true;
  if (is_ipv4(text)) return remote || text.starts_with("127.");
  return remote && !text.empty() && text == machine_name();
}

std::variant<RequestHead, Refusal> parse_request_head(std::string_view head, HostPolicy policy) {
  std::string_view rest = head;
  RequestHead request;
  if (auto refusal = read_request_line(take_line(rest), request)) return *refusal;
  Fields fields;
  while (true) {
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    if (auto refusal = read_field(line, fields)) return *refusal;
  }
  if (fields.hosts != 1)
    return Refusal{400, "expected one Host header, got " + std::to_string(fields.hosts)};
  if (!host_allowed(fields.host, policy)) {
    return Refusal{403, "this server does not answer under the name in the Host header"};
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return Refusal{405, "only GET and HEAD are answered"};
  }
  if (fields.body) return Refusal{413, "a request has no body here"};
  return request;
}

}  // namespace tern::dashboards
