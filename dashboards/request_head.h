#pragma once
// Decides, from the bytes before the empty line, whether a request is one this server answers. It
// is stricter than HTTP: the page's own requests are plain GETs without a body, so everything else
// is refused with a status and one sentence. Pure: no sockets.

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace tern::dashboards {

inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;
inline constexpr std::size_t kMaxTargetBytes = 2048;
inline constexpr std::size_t kMaxHeaders = 100;

struct RequestHead {
  std::string method;  // "GET", "HEAD"
  std::string target;  // "/api/runs?offset=0": visible ASCII, starts with '/'
};

struct Refusal {
  int status = 400;
  std::string message;
};

// Which names a browser may have used to get here. A page of another site can point its own name at
// this machine (DNS rebinding), but the browser still sends that name.
enum class HostPolicy {
  kLoopback,  // localhost, 127.0.0.0/8, [::1]
  kRemote,    // also any address written as a number, and this machine's own name
};

bool host_allowed(std::string_view host, HostPolicy policy);

// `head` ends with the empty line (CR LF CR LF).
std::variant<RequestHead, Refusal> parse_request_head(std::string_view head, HostPolicy policy);

}  // namespace tern::dashboards
