#pragma once
// One bounded GET: of time in total, of bytes, of addresses. It follows no redirect, keeps no
// connection and sends a password only where the caller put one. The answer or a reason, never an
// exception and never a wait beyond its limit.

#include <string>

#include "energy/external/parsed.h"
#include "energy/external/stop_signal.h"

namespace tern::energy {

struct HttpTarget {
  bool tls = false;
  std::string host;     // name or numeric address, without the brackets of IPv6
  std::string address;  // numeric, from resolve_host
  int port = 80;
  std::string target = "/";  // path and query, as sent
  std::string user = {};
  std::string password = {};
  std::string ca_file = {};  // certificates to trust instead of the system's
};

struct HttpLimits {
  double connect_s = 2;
  double total_s = 2;  // the whole request
  std::size_t body_bytes = std::size_t{256} << 10;
};

// The body of an answer with status 200. The thread that calls must have SIGPIPE blocked: the
// library writes to sockets whose other end may be gone.
Parsed<std::string> http_get(const HttpTarget& target, const HttpLimits& limits,
                             const StopSignal& stop);

// A numeric address of host, IPv4 where it has one; the name service gets limit_s.
Parsed<std::string> resolve_host(const std::string& host, double limit_s);

}  // namespace tern::energy
