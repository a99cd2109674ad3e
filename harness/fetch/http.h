#pragma once
// One GET over https (or http on this machine), redirects followed. A token goes to the host it is
// for and to no other that a redirect names. Every wait is bounded; an answer that breaks off is a
// value, for whoever can go on where it ended.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "harness/fetch/url.h"

namespace tern::harness {

struct HttpOptions {
  std::string token;         // sent as "Authorization: Bearer"; empty: none
  std::string token_origin;  // to this Url::origin() alone
  double wait_s = 30;        // for a connection, and for each further piece of an answer
};

struct HttpHead {
  int status = 0;                           // 200, 206, or what refuses
  std::optional<std::int64_t> length;       // bytes of this answer
  std::optional<std::int64_t> range_begin;  // 206: where it begins in the file
};

struct HttpOutcome {
  HttpHead head;  // of the last answer
  bool complete = false;
  std::string why_not;     // not complete: why, without the URL
  bool transient = false;  // not complete: another attempt may succeed
};

class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;
  // Of an answer with status 200 or 206. False: its body is not wanted.
  virtual bool begin(const HttpHead& head) = 0;
  virtual void add(std::string_view bytes) = 0;
};

// from > 0: asks for the file from that byte on; the server may answer with all of it. Exceptions
// of the receiver pass through. Throws Error where a redirect leads nowhere or on and on.
HttpOutcome http_get(const Url& url, std::int64_t from, const HttpOptions& options,
                     HttpReceiver& receiver);

// The body of a complete 200 of at most `most` bytes; throws Error naming `what` otherwise.
std::string http_text(const Url& url, const HttpOptions& options, std::size_t most,
                      std::string_view what);

// Why a server refused, in words: "it answered with status 404 (…)".
std::string refusal_text(int status, bool with_token);

}  // namespace tern::harness
