#pragma once
// The dashboard over HTTP: the embedded page and the JSON of a DataSource, to GET and HEAD only,
// with a strict Content-Security-Policy on every answer. It listens on this machine unless told
// otherwise and never changes anything. No TLS, no log-in: it is not a server for the open network.

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "dashboards/data_source.h"

namespace tern::dashboards {

struct ServerOptions {
  std::string host = "127.0.0.1";  // an address as a number, or "localhost"
  int port = 8080;                 // 0: a free one
  bool allow_remote = false;       // host may be reachable from other machines
  std::filesystem::path assets;    // read the page's files from this folder, not the embedded ones
  int threads = 8;                 // requests at once
  int waiting = 32;                // connections that may wait for a thread; more are answered 503
  std::chrono::milliseconds head_time{5000};     // for a client to send its request
  std::chrono::milliseconds answer_time{20000};  // for it to take the answer
};

class Server {
 public:
  // Binds and listens. Throws Error when the host is refused, or the port is busy or not allowed.
  Server(DataSource& source, const ServerOptions& options);
  ~Server();

  int port() const noexcept;
  std::string url() const;  // "http://127.0.0.1:8080/"

  void run();            // answers until stop()
  void stop() noexcept;  // from any thread, once run() has begun or before it

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tern::dashboards
