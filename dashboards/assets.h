#pragma once
// The files of the page, embedded at build by embed.cmake. Nothing else is ever served.

#include <span>
#include <string_view>

namespace tern::dashboards {

struct Asset {
  std::string_view path;  // as in the URL, without the leading '/'
  std::string_view type;  // Content-Type
  std::string_view body;
};

std::span<const Asset> assets() noexcept;

}  // namespace tern::dashboards
