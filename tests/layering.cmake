# cmake -DROOT=SOURCE_TREE -P layering.cmake
# cmake -DSELF_TEST=FOLDER -P layering.cmake
#
# The dependency graph, enforced: which folder may include which folder, and which third-party header may
# appear where. To allow a new edge is a design decision: change the table here and the one in HACKING.md.
cmake_minimum_required(VERSION 3.25)

set(folders kernels engine energy datasets evals dashboards harness tests)

# What each folder may include, besides itself.
set(kernels_may_include "")
set(engine_may_include kernels)
set(energy_may_include "")
set(datasets_may_include "")
set(evals_may_include datasets)
set(dashboards_may_include "")
set(harness_may_include kernels engine energy datasets evals dashboards)
set(tests_may_include kernels engine energy datasets evals dashboards harness)

# Third-party headers (regular expressions of what stands between the brackets) and the folders that may
# include them. Outside tests they belong in .cpp files, so that no user of ours inherits them.
set(third_party intrinsics cpuid json hwloc pcre2 sqlite openssl pfm fmt cli11 httplib catch2 benchmark)
set(intrinsics_headers "^([a-z0-9]*intrin|arm_neon|arm_acle|arm_sve)\\.h$")
set(intrinsics_folders kernels)
set(cpuid_headers "^cpuid\\.h$")  # what the machine is, not arithmetic
set(cpuid_folders kernels harness)
set(json_headers "^nlohmann/")
set(json_folders engine energy datasets dashboards harness tests)
set(hwloc_headers "^hwloc(\\.h$|/)")
set(hwloc_folders engine)
set(pcre2_headers "^pcre2\\.h$")
set(pcre2_folders engine evals)
set(sqlite_headers "^sqlite3\\.h$")
set(sqlite_folders harness tests)
set(openssl_headers "^openssl/")
set(openssl_folders datasets harness)
set(pfm_headers "^perfmon/")
set(pfm_folders energy)
set(fmt_headers "^fmt/")
set(fmt_folders harness)
set(cli11_headers "^CLI/")
set(cli11_folders harness)
set(httplib_headers "^httplib\\.h$")
set(httplib_folders energy dashboards harness tests)
set(catch2_headers "^catch2/")
set(catch2_folders tests)
set(benchmark_headers "^benchmark/")
set(benchmark_folders tests)

# May stand in headers too: kernels share intrinsics among the files of one instruction set, and a
# forward declaration costs its reader nothing.
set(allowed_in_headers "^(nlohmann/json_fwd\\.hpp|[a-z0-9]*intrin\\.h|arm_neon\\.h)$")

# Everything else in angle brackets is the language's or the system's: a bare C++ header, a kernel or
# libc folder, or a name of the C library and POSIX.
set(system_headers "^([a-z0-9_]+|(sys|linux|asm|arpa|netinet|net|bits|sanitizer)/[A-Za-z0-9_./-]+)$")
set(posix_headers "^(aio|assert|ctype|dirent|dlfcn|elf|err|errno|execinfo|fcntl|fenv|float|fnmatch|ftw|getopt|\
glob|grp|inttypes|langinfo|libgen|limits|link|locale|malloc|math|netdb|poll|pthread|pwd|sched|semaphore|setjmp|\
signal|spawn|stdarg|stddef|stdint|stdio|stdlib|string|strings|syslog|termios|time|ucontext|unistd|wordexp)\\.h$")

set(violations "")

# report(<file> <include as written> <message>): adds "file:line: message".
macro(report file written text)
  file(READ ${ROOT}/${file} content)
  string(FIND "${content}" "${written}" position)
  string(SUBSTRING "${content}" 0 ${position} before)
  string(REGEX MATCHALL "\n" newlines "${before}")
  list(LENGTH newlines line)
  math(EXPR line "${line} + 1")
  string(APPEND violations "\n  ${file}:${line}: ${text}")
endmacro()

macro(check_own folder file path)
  string(REGEX MATCH "^[^/]+" target "${path}")
  if(NOT "${path}" MATCHES "/" OR NOT target IN_LIST folders)
    report(${file} "\"${path}\"" "\"${path}\" does not start with one of our folders (include from the root)")
  elseif(NOT target STREQUAL "${folder}" AND NOT target IN_LIST ${folder}_may_include)
    report(${file} "\"${path}\"" "${folder} may not include ${target} (\"${path}\")")
  endif()
endmacro()

macro(check_third_party folder file path)
  set(known OFF)
  foreach(party IN LISTS third_party)
    if("${path}" MATCHES "${${party}_headers}")
      set(known ON)
      if(NOT "${folder}" IN_LIST ${party}_folders)
        report(${file} "<${path}>" "${folder} may not include <${path}> (only: ${${party}_folders})")
      elseif("${file}" MATCHES "\\.h$" AND NOT "${folder}" STREQUAL "tests"
             AND NOT "${path}" MATCHES "${allowed_in_headers}")
        report(${file} "<${path}>" "<${path}> belongs in a .cpp file")
      endif()
    endif()
  endforeach()
  if(NOT known AND NOT "${path}" MATCHES "${system_headers}" AND NOT "${path}" MATCHES "${posix_headers}")
    report(${file} "<${path}>" "<${path}> is no header this project knows (tests/layering.cmake lists them)")
  endif()
endmacro()

function(check_tree)
  set(count 0)
  foreach(folder IN LISTS folders)
    file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${folder}/*.cpp ${ROOT}/${folder}/*.h
      ${ROOT}/${folder}/*.inl)
    foreach(file IN LISTS files)
      math(EXPR count "${count} + 1")
      file(STRINGS ${ROOT}/${file} lines ENCODING UTF-8 REGEX "^[ \t]*#[ \t]*include[ \t]*[\"<]")
      foreach(line IN LISTS lines)
        if(line MATCHES "\"([^\"]+)\"")
          check_own(${folder} ${file} "${CMAKE_MATCH_1}")
        elseif(line MATCHES "<([^>]+)>")
          check_third_party(${folder} ${file} "${CMAKE_MATCH_1}")
        endif()
      endforeach()
    endforeach()
  endforeach()
  if(count EQUAL 0)
    message(FATAL_ERROR "layering: no sources under ${ROOT}")
  endif()
  if(violations)
    message(FATAL_ERROR "layering: includes the design does not allow:${violations}")
  endif()
  message(STATUS "layering: ${count} files keep to the graph")
endfunction()

# plant(<file> <include, as written> <what must be reported, empty for nothing>): a tree of that one file,
# the include on its third line.
function(plant file include expected)
  file(REMOVE_RECURSE ${SELF_TEST})
  file(WRITE ${SELF_TEST}/${file} "// one\n#include <vector>\n#include ${include}\nint x; // [;]\n")
  execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${SELF_TEST} -P ${CMAKE_SCRIPT_MODE_FILE}
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")  # cmake wraps messages
  if(expected STREQUAL "")
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "layering self-test: ${file} with ${include} is allowed, but got: ${output}")
    endif()
    return()
  endif()
  string(FIND "${output}" "${file}:3: ${expected}" position)
  if(status EQUAL 0 OR position EQUAL -1)
    message(FATAL_ERROR "layering self-test: ${file} with ${include} must be refused with "
      "'${file}:3: ${expected}', got: ${output}")
  endif()
endfunction()

if(SELF_TEST)
  plant(kernels/a.cpp "\"engine/model.h\"" "kernels may not include engine")
  plant(engine/deep/er/a.h "\"harness/record.h\"" "engine may not include harness")
  plant(energy/a.cpp "\"kernels/check.h\"" "energy may not include kernels")
  plant(evals/a.cpp "\"engine/model.h\"" "evals may not include engine")
  plant(harness/a.cpp "\"tests/support/catch.h\"" "harness may not include tests")
  plant(harness/a.cpp "\"record.h\"" "\"record.h\" does not start with one of our folders")
  plant(engine/a.cpp "<sqlite3.h>" "engine may not include <sqlite3.h>")
  plant(harness/a.cpp "<perfmon/pfmlib.h>" "harness may not include <perfmon/pfmlib.h>")
  plant(engine/a.cpp "<immintrin.h>" "engine may not include <immintrin.h>")
  plant(harness/a.h "<fmt/core.h>" "<fmt/core.h> belongs in a .cpp file")
  plant(energy/a.cpp "<zstd.h>" "<zstd.h> is no header this project knows")
  plant(engine/a.cpp "<boost/any.hpp>" "<boost/any.hpp> is no header this project knows")
  plant(engine/a.cpp "\"kernels/check.h\"" "")
  plant(harness/a.h "<nlohmann/json_fwd.hpp>" "")
  plant(energy/a.cpp "<linux/perf_event.h>" "")
  plant(energy/a.cpp "<unistd.h>" "")
  plant(tests/a.h "<catch2/catch.hpp>" "")
  message(STATUS "layering self-test: caught what was planted")
  return()
endif()

check_tree()
