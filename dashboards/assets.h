#pragma once
// The files of the page, embedded when the build is configured. Nothing else is ever served.

#include <span>
#include <string_view>

namespace tern::dashboards {

struct Asset {
  std::string_view path;  // as in the URL, without the leading '/'
  std::string_view type;  // Content-Type
  std::string_view body;
};

std::span<const Asset> assets();

}  // namespace tern::dashboards
