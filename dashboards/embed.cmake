# cmake -DOUT=FILE.cpp -P embed.cmake -- URL_PATH FILE [URL_PATH FILE ...]
#
# Writes the files as arrays of bytes with their Content-Type: the page is part of the program.
cmake_minimum_required(VERSION 3.25)

set(pairs "")
set(seen_dashes OFF)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(seen_dashes)
    list(APPEND pairs "${CMAKE_ARGV${i}}")
  elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(seen_dashes ON)
  endif()
endforeach()

set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")

set(arrays "")
set(rows "")
set(index 0)
while(pairs)
  list(POP_FRONT pairs path file)
  string(REGEX MATCH "[a-z]+$" extension "${path}")
  if(NOT DEFINED type_${extension})
    message(FATAL_ERROR "embed: no Content-Type is known for ${path}")
  endif()
  file(READ ${file} hex HEX)
  if(hex STREQUAL "")
    message(FATAL_ERROR "embed: ${file} is empty")
  endif()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "const unsigned char kFile${index}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${path}\", \"${type_${extension}}\", view(kFile${index})},\n")
  math(EXPR index "${index} + 1")
endwhile()

file(WRITE ${OUT} "// Made by dashboards/embed.cmake.
#include \"dashboards/assets.h\"

#include <cstddef>

namespace tern::dashboards {
namespace {

${arrays}
template <std::size_t N>
std::string_view view(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

}  // namespace

std::span<const Asset> assets() noexcept {
  static const Asset kAssets[] = {
${rows}  };
  return kAssets;
}

}  // namespace tern::dashboards
")
