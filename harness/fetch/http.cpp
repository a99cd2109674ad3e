#include "harness/fetch/http.h"

#include <fmt/format.h>
#include <httplib.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <exception>
#include <memory>

#include "harness/error.h"

namespace tern::harness {

namespace {

constexpr int kMostRedirects = 10;

// The library writes to sockets whose other end may be gone.
class SigpipeIgnored {
 public:
  SigpipeIgnored() : before_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~SigpipeIgnored() { std::signal(SIGPIPE, before_); }
  SigpipeIgnored(const SigpipeIgnored&) = delete;
  SigpipeIgnored& operator=(const SigpipeIgnored&) = delete;

 private:
  void (*before_)(int);
};

std::optional<std::int64_t> parse_count(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() || value < 0) return std::nullopt;
  return value;
}

HttpHead read_head(const httplib::Response& response) {
  HttpHead head;
  head.status = response.status;
  head.length = parse_count(response.get_header_value("Content-Length"));
  const std::string range = response.get_header_value("Content-Range");  // "bytes 5-9/10"
  if (range.starts_with("bytes ")) head.range_begin = parse_count(range.substr(6));
  return head;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool has_file(int status) { return status == 200 || status == 206; }

// Servers that are busy, or behind a gateway that is.
bool is_transient(int status) { return status == 429 || status >= 500; }

std::string broken_text(httplib::Error error, double wait_s) {
  switch (error) {
    case httplib::Error::Connection:
      return "no connection (no network, an unknown name, or nobody listens)";
    case httplib::Error::ConnectionTimeout:
      return fmt::format("no connection within {:g} s", wait_s);
    case httplib::Error::Read:
      return fmt::format("the answer broke off, or paused for {:g} s", wait_s);
    case httplib::Error::SSLConnection:
      return "the TLS connection failed";
    case httplib::Error::SSLLoadingCerts:
      return "the certificates that this system trusts cannot be loaded";
    case httplib::Error::SSLServerVerification:
      return "its TLS certificate cannot be verified";
    default:
      return "the request failed (" + httplib::to_string(error) + ")";
  }
}

std::unique_ptr<httplib::Client> make_client(const Url& url, double wait_s) {
  auto client = std::make_unique<httplib::Client>(url.origin());
  if (!client->is_valid()) throw Error(url.origin() + ": expected a host that can be asked");
  const std::chrono::duration<double> wait(wait_s);
  client->set_connection_timeout(wait);
  client->set_read_timeout(wait);
  client->set_write_timeout(wait);
  client->set_follow_location(false);
  client->set_decompress(false);
  client->set_url_encode(false);
  client->enable_server_certificate_verification(true);
  return client;
}

httplib::Headers make_headers(const Url& url, std::int64_t from, const HttpOptions& options) {
  httplib::Headers headers = {
      {"Accept-Encoding", "identity"}, {"User-Agent", "tern"}, {"Connection", "close"}};
  if (from > 0) headers.emplace("Range", fmt::format("bytes={}-", from));
  if (!options.token.empty() && url.origin() == options.token_origin)
    headers.emplace("Authorization", "Bearer " + options.token);
  return headers;
}

struct Answer {
  HttpOutcome outcome;
  std::string location;
};

Answer ask(const Url& url, std::int64_t from, const HttpOptions& options, HttpReceiver& receiver) {
  Answer answer;
  std::exception_ptr thrown;  // must not pass through the library
  const auto guarded = [&](auto&& call) {
    try {
      return call();
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  };
  const auto client = make_client(url, options.wait_s);
  const httplib::Result result = client->Get(
      url.target, make_headers(url, from, options),
      [&](const httplib::Response& response) {
        answer.outcome.head = read_head(response);
        if (is_redirect(response.status)) answer.location = response.get_header_value("Location");
        return has_file(response.status) &&
               guarded([&] { return receiver.begin(answer.outcome.head); });
      },
      [&](const char* data, std::size_t size) {
        return guarded([&] {
          receiver.add({data, size});
          return true;
        });
      });
  if (thrown) std::rethrow_exception(thrown);
  const int status = answer.outcome.head.status;
  if (result && has_file(status)) {
    answer.outcome.complete = true;
  } else if (status != 0 && !has_file(status)) {
    answer.outcome.why_not = refusal_text(status, !options.token.empty());
    answer.outcome.transient = is_transient(status);
  } else if (result.error() == httplib::Error::Canceled) {
    answer.outcome.why_not = "the answer was not wanted";
  } else {
    answer.outcome.why_not = broken_text(result.error(), options.wait_s);
    answer.outcome.transient = result.error() != httplib::Error::SSLServerVerification;
  }
  return answer;
}

class TextReceiver final : public HttpReceiver {
 public:
  TextReceiver(std::size_t most, std::string what) : most_(most), what_(std::move(what)) {}
  bool begin(const HttpHead& head) override { return head.status == 200; }
  void add(std::string_view bytes) override {
    if (bytes.size() > most_ - text.size())
      throw Error(fmt::format("{}: expected at most {} bytes, got more", what_, most_), 1);
    text += bytes;
  }
  std::string text;

 private:
  std::size_t most_;
  std::string what_;
};

}  // namespace

std::string refusal_text(int status, bool with_token) {
  const std::string code = fmt::format("it answered with status {}", status);
  if (status == 401 || status == 403) {
    return code + (with_token ? " (the token does not open it)"
                              : " (it wants a token, in HF_TOKEN, or there is no such thing)");
  }
  if (status == 404) return code + " (there is no such thing)";
  if (status == 429) return code + " (too many requests)";
  return code;
}

HttpOutcome http_get(const Url& url, std::int64_t from, const HttpOptions& options,
                     HttpReceiver& receiver) {
  const SigpipeIgnored guard;
  Url at = url;
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    const Answer answer = ask(at, from, options, receiver);
    if (!is_redirect(answer.outcome.head.status)) return answer.outcome;
    if (answer.location.empty())
      throw Error(at.text() + ": expected a redirect that says where to, got none", 1);
    at = redirected(at, answer.location);
  }
  throw Error(
      fmt::format("{}: expected at most {} redirects, got more", url.text(), kMostRedirects), 1);
}

std::string http_text(const Url& url, const HttpOptions& options, std::size_t most,
                      std::string_view what) {
  TextReceiver receiver(most, std::string(what));
  const HttpOutcome outcome = http_get(url, 0, options, receiver);
  if (outcome.complete) return std::move(receiver.text);
  throw Error(fmt::format("{}: {}", what, outcome.why_not), 1);
}

}  // namespace tern::harness
