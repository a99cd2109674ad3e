# cmake -DOUT=FILE.cpp -P embed.cmake -- NAME FILE [NAME FILE ...]
#
# Writes the task descriptions as arrays of bytes.
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

set(arrays "")
set(rows "")
set(index 0)
while(pairs)
  list(POP_FRONT pairs name file)
  file(READ ${file} hex HEX)
  if(hex STREQUAL "")
    message(FATAL_ERROR "embed: ${file} is empty")
  endif()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "const unsigned char kTask${index}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", view(kTask${index})},\n")
  math(EXPR index "${index} + 1")
endwhile()

file(WRITE ${OUT} "// Made by evals/embed.cmake.
#include \"evals/embedded_tasks.h\"

#include <cstddef>

namespace tern::evals {
namespace {

${arrays}
template <std::size_t N>
std::string_view view(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

}  // namespace

std::span<const EmbeddedTask> embedded_tasks() noexcept {
  static const EmbeddedTask kTasks[] = {
${rows}  };
  return kTasks;
}

}  // namespace tern::evals
")
