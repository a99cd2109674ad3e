#include "energy/external/meter_spec.h"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

#include "energy/external/text.h"

namespace tern::energy {
namespace {

constexpr const char* kForms =
    "shelly:URL, tasmota:URL, redfish:URL, ipmi, trace:FILE or ptdaemon:FILE";
constexpr std::array kKinds = {MeterKind::kShelly, MeterKind::kTasmota, MeterKind::kRedfish,
                               MeterKind::kIpmi,   MeterKind::kTrace,   MeterKind::kPtdaemon};
constexpr double kLongestOffset_s = 1e6;  // eleven days: more than any time zone and any drift

using Result = Parsed<MeterSpec>;

Result refused(std::string_view kind, const std::string& why) {
  return Result::failed("meter " + std::string(kind) + ": " + why);
}

bool all_of(std::string_view text, std::string_view others) {
  for (const char c : text) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!alphanumeric && others.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

const char* default_target(MeterKind kind) {
  return kind == MeterKind::kShelly ? "/rpc/Switch.GetStatus?id=0" : "/cm?cmnd=Status%2010";
}

// HOST, HOST:PORT, [IPv6] or [IPv6]:PORT; false when it is none.
bool parse_authority(std::string_view text, MeterSpec& spec) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    spec.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    has_port = !text.empty();
    if (has_port && text[0] != ':') return false;
    port = has_port ? text.substr(1) : text;
    if (!all_of(spec.host, ":.")) return false;
  } else {
    has_port = text.find(':') != std::string_view::npos;
    spec.host = take_field(text, ':');
    port = text;
    if (!all_of(spec.host, ".-_")) return false;
  }
  spec.port = spec.tls ? 443 : 80;
  if (!has_port) return true;
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), spec.port);
  return error == std::errc() && stop == port.data() + port.size() && spec.port > 0 &&
         spec.port < 65536;
}

// The path of a Redfish chassis, or a reason.
std::string finish_redfish(MeterSpec& spec) {
  if (!spec.tls && !is_loopback(spec.host)) {
    return "expected https://, since a password would travel in clear over http";
  }
  if (!spec.target.starts_with("/redfish/v1/Chassis/") || spec.target.ends_with('/')) {
    return "expected the path /redfish/v1/Chassis/ID, got " + shown(spec.target);
  }
  if (!spec.target.ends_with("/Power")) spec.target += "/Power";
  return "";
}

Result parse_url(MeterKind kind, std::string_view text) {
  const char* const word = name(kind);
  MeterSpec spec;
  spec.kind = kind;
  std::string_view rest = text;
  spec.tls = rest.starts_with("https://");
  if (!spec.tls && !rest.starts_with("http://")) {
    // Not shown: what does not look like a URL may still hold a password.
    return refused(word, "expected a URL that starts with http:// or https://");
  }
  rest.remove_prefix(spec.tls ? 8 : 7);
  if (rest.find('@') != std::string_view::npos) {
    return refused(word,
                   "expected no user or password in the URL (they belong in the environment, where "
                   "a list of processes does not show them)");
  }
  const std::size_t path = rest.find_first_of("/?#");
  const std::string_view authority = rest.substr(0, path);
  if (!parse_authority(authority, spec)) {
    return refused(word, "expected HOST or HOST:PORT after the scheme, got " + shown(authority));
  }
  if (path != std::string_view::npos) spec.target = rest.substr(path);
  if (!spec.target.empty() && (spec.target[0] != '/' || !all_of(spec.target, "/?=&%._-~:,+"))) {
    return refused(word, "expected a path of letters, digits and /?=&%._-~:,+ in the URL, got " +
                             shown(spec.target));
  }
  if (kind == MeterKind::kRedfish) {
    const std::string why = finish_redfish(spec);
    return why.empty() ? Result(spec) : refused(word, why);
  }
  if (spec.target.empty() || spec.target == "/") spec.target = default_target(kind);
  return spec;
}

// Takes "@±SECONDS" off the end, where there is one. A sign is asked for, so that a file may have
// an
// @ in its name.
bool take_offset(std::string_view& file, double& offset_s) {
  const std::size_t at = file.rfind('@');
  if (at == std::string_view::npos || at + 1 >= file.size()) return true;
  std::string_view digits = file.substr(at + 1);
  if (digits[0] != '+' && digits[0] != '-') return true;
  const bool plus = digits[0] == '+';
  if (plus) digits.remove_prefix(1);
  const auto seconds = parse_finite(digits);
  if (!seconds || std::fabs(*seconds) > kLongestOffset_s) return false;
  if (plus && digits.starts_with('-')) return false;
  offset_s = *seconds;
  file = file.substr(0, at);
  return true;
}

Result parse_file(MeterKind kind, std::string_view text) {
  MeterSpec spec;
  spec.kind = kind;
  if (kind == MeterKind::kPtdaemon && !take_offset(text, spec.clock_offset_s)) {
    return refused(name(kind),
                   "expected @±SECONDS of at most 1e6 after the file, got " + shown(text));
  }
  if (text.empty()) return refused(name(kind), "expected a file after the colon, got nothing");
  if (text.find('\0') != std::string_view::npos) {
    return refused(name(kind), "expected a file, got " + shown(text));
  }
  spec.file = text;
  return spec;
}

}  // namespace

const char* name(MeterKind kind) noexcept {
  switch (kind) {
    case MeterKind::kShelly:
      return "shelly";
    case MeterKind::kTasmota:
      return "tasmota";
    case MeterKind::kRedfish:
      return "redfish";
    case MeterKind::kIpmi:
      return "ipmi";
    case MeterKind::kTrace:
      return "trace";
    case MeterKind::kPtdaemon:
      break;
  }
  return "ptdaemon";
}

Parsed<MeterSpec> parse_meter_spec(std::string_view text) {
  const bool has_colon = text.find(':') != std::string_view::npos;
  const std::string_view word = take_field(text, ':');
  for (const MeterKind kind : kKinds) {
    if (word != name(kind)) continue;
    if (kind == MeterKind::kIpmi) {
      return has_colon ? refused(word, "expected nothing after it") : Result(MeterSpec{});
    }
    if (kind == MeterKind::kTrace || kind == MeterKind::kPtdaemon) return parse_file(kind, text);
    return parse_url(kind, text);
  }
  return Result::failed(std::string("meter: expected ") + kForms + ", got " + shown(word));
}

std::string to_text(const MeterSpec& spec) {
  std::string text = name(spec.kind);
  switch (spec.kind) {
    case MeterKind::kIpmi:
      return text;
    case MeterKind::kTrace:
      return text + ":" + spec.file;
    case MeterKind::kPtdaemon: {
      // Always written, so that a file whose name ends like an offset keeps its name.
      char offset[40];
      const auto end = std::to_chars(offset, offset + sizeof offset, spec.clock_offset_s).ptr;
      return text + ":" + spec.file + "@" + (std::signbit(spec.clock_offset_s) ? "" : "+") +
             std::string(offset, end);
    }
    default:
      break;
  }
  const bool v6 = spec.host.find(':') != std::string::npos;
  text += spec.tls ? ":https://" : ":http://";
  text += v6 ? "[" + spec.host + "]" : spec.host;
  return text + ":" + std::to_string(spec.port) + spec.target;
}

}  // namespace tern::energy
