// tern serve: the stored runs on a page, until SIGINT or SIGTERM.

#include <fmt/core.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <thread>

#include "dashboards/error.h"
#include "dashboards/server.h"
#include "harness/command.h"
#include "harness/error.h"
#include "harness/parse_command.h"
#include "harness/record_store.h"
#include "harness/store_source.h"

namespace tern::harness {
namespace {

// Signals that end the server are blocked in every thread and waited for in one place: no handler,
// and nothing to interrupt.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~EndSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;

  void wait() const {
    int received = 0;
    sigwait(&set_, &received);
  }

 private:
  sigset_t set_{};
  sigset_t before_{};
};

std::filesystem::path store_path(const std::string& db) {
  const std::filesystem::path path =
      db.empty() ? RecordStore::default_path() : std::filesystem::path(db);
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    RecordStore probe(path);  // says now, not in the browser, that it is no store
  } else if (!db.empty()) {
    throw Error(fmt::format("--db: there is no store at {}", db));
  }
  return path;
}

void check_assets(const std::string& folder) {
  std::error_code ignored;
  if (folder.empty() || std::filesystem::is_regular_file(folder + "/index.html", ignored)) return;
  throw Error(fmt::format("--assets: expected a folder with an index.html, got {}", folder));
}

void serve(dashboards::Server& server, const EndSignals& signals) {
  fmt::print("{}\n", server.url());
  std::fflush(stdout);
  fmt::print(stderr, "tern serve: the dashboard is at {} until Ctrl-C\n", server.url());
  std::thread thread([&] { server.run(); });
  signals.wait();
  server.stop();
  thread.join();
}

}  // namespace

int run_serve(const std::vector<std::string>& args) {
  std::string db, assets;
  dashboards::ServerOptions options;
  CLI::App app("The dashboard: stored runs in a browser", "tern serve");
  app.add_option("--db", db, "The store (default: $XDG_DATA_HOME/tern/tern.db)");
  app.add_option("--port", options.port, "The port; 0 takes a free one (default: 8080)")
      ->check(CLI::Range(0, 65535));
  app.add_option("--host", options.host, "The address to listen on (default: 127.0.0.1)");
  app.add_flag("--allow-remote", options.allow_remote,
               "Lets --host be an address other machines can reach");
  app.add_option("--assets", assets, "Serve the page's files from this folder, to work on them");
  if (!parse_command(app, args)) return 0;
  StoreSource source(store_path(db));
  check_assets(assets);
  options.assets = assets;
  const EndSignals signals;  // before the first thread, which inherits the mask
  try {
    dashboards::Server server(source, options);
    serve(server, signals);
  } catch (const dashboards::Error& error) {
    throw Error(error.what());
  }
  return 0;
}

}  // namespace tern::harness
