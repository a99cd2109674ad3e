#pragma once
// What the dashboard shows, as JSON text. This folder owns the interface and knows nothing of
// records or stores; whoever has them implements it. Both functions are called from several threads
// at once.

#include <cstddef>
#include <optional>
#include <string>

namespace tern::dashboards {

class DataSource {
 public:
  virtual ~DataSource() = default;
  // A page of stored runs, newest first, behind the `offset` newest ones:
  // {"total": …, "offset": …, "runs": […]}.
  virtual std::string runs(std::size_t offset) = 0;
  // One run; nullopt when there is none of that id. An exception becomes a 500 with its message.
  virtual std::optional<std::string> run(const std::string& id) = 0;
};

}  // namespace tern::dashboards
