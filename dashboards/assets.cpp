#include "dashboards/assets.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace tern::dashboards {

namespace {

struct EmbeddedFile {
  std::string_view path, body;
};
#include "dashboards/embedded.inl"

// "" where none is known.
constexpr std::string_view type_of(std::string_view path) {
  const std::string_view extension = path.substr(path.rfind('.') + 1);
  if (extension == "html") return "text/html; charset=utf-8";
  if (extension == "js") return "text/javascript; charset=utf-8";
  if (extension == "css") return "text/css; charset=utf-8";
  if (extension == "svg") return "image/svg+xml";
  return "";
}
static_assert(std::all_of(std::begin(kEmbedded), std::end(kEmbedded),
                          [](const EmbeddedFile& file) { return !type_of(file.path).empty(); }));

}  // namespace

std::span<const Asset> assets() {
  static const std::vector<Asset> kAll = [] {
    std::vector<Asset> all;
    for (const auto& [path, body] : kEmbedded) all.push_back({path, type_of(path), body});
    return all;
  }();
  return kAll;
}

}  // namespace tern::dashboards
