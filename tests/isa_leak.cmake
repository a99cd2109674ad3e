# cmake -DNM=nm -P isa_leak.cmake -- OBJECT...
# cmake -DNM=nm -DCXX=c++ -DSELF_TEST=FOLDER -P isa_leak.cmake
#
# An object compiled for AVX-512 that holds a weak copy of some inline function can win at link time: the
# whole program then runs AVX-512 code there and dies on other CPUs. So no object of an instruction set may
# define a symbol that the linker merges: weak (W, w, V, v) or unique (u).
#
# AddressSanitizer adds no such symbols (its registration functions are local). The one thing tolerated is
# what clang's -fsanitize=function adds: descriptions of types (_ZTI, _ZTS), which are data and hold no code.
cmake_minimum_required(VERSION 3.25)

# Sets `result` to the mergeable symbols that `object` defines, "TYPE name" each.
function(mergeable_symbols object result)
  # -P prints "name type value size"; names are mangled, hence without blanks.
  execute_process(COMMAND ${NM} -P --defined-only ${object}
    OUTPUT_VARIABLE listing ERROR_VARIABLE error RESULT_VARIABLE status)
  if(NOT status EQUAL 0 OR listing STREQUAL "")
    message(FATAL_ERROR "isa_leak: ${NM} found no symbols in ${object}: ${error}")
  endif()
  string(REGEX MATCHALL "[^\n]+ [WwVvu]( [^\n]*)?\n" lines "${listing}")
  set(found "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^([^ ]+) ([WwVvu]).*" "\\2 \\1" symbol "${line}")
    if(NOT symbol MATCHES "^V _ZT[IS]")
      list(APPEND found "${symbol}")
    endif()
  endforeach()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

function(check_objects)
  if(ARGC EQUAL 0)
    message(FATAL_ERROR "isa_leak: no objects given")
  endif()
  set(leaks "")
  foreach(object IN LISTS ARGN)
    mergeable_symbols(${object} symbols)
    foreach(symbol IN LISTS symbols)
      string(APPEND leaks "\n  ${object}: ${symbol}")
    endforeach()
  endforeach()
  if(leaks)
    message(FATAL_ERROR "isa_leak: the linker may merge these symbols into code for other CPUs; "
      "make them static or force them inline:${leaks}")
  endif()
  message(STATUS "isa_leak: ${ARGC} objects, no weak or unique symbols")
endfunction()

# plant(<name> <source> <what must be reported, empty for nothing>)
function(plant name source expected)
  file(WRITE ${SELF_TEST}/${name}.cpp "${source}")
  execute_process(COMMAND ${CXX} -std=c++20 -O0 -c ${SELF_TEST}/${name}.cpp -o ${SELF_TEST}/${name}.o
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_COMMAND} -DNM=${NM} -P ${CMAKE_SCRIPT_MODE_FILE} -- ${SELF_TEST}/${name}.o
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
  if(expected STREQUAL "")
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "isa_leak self-test: ${name} is clean, but was refused: ${output}")
    endif()
  elseif(status EQUAL 0 OR NOT output MATCHES "${expected}")
    message(FATAL_ERROR "isa_leak self-test: ${name} must be refused with '${expected}', got: ${output}")
  endif()
endfunction()

if(SELF_TEST)
  plant(clean "static int twice(int x) { return 2 * x; }\nint entry(int x) { return twice(x); }\n" "")
  plant(inline_function "inline int twice(int x) { return 2 * x; }\nint entry(int x) { return twice(x); }\n"
    "W _Z5twicei")
  plant(inline_object "inline int shared = 1;\nint* entry() { return &shared; }\n" "[uV] shared")
  plant(template_function
    "template <class T> T twice(T x) { return 2 * x; }\nint entry(int x) { return twice(x); }\n" "W _Z5twiceIiET_S0_")
  message(STATUS "isa_leak self-test: caught what was planted")
  return()
endif()

# The arguments behind "--".
set(objects "")
set(behind OFF)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(behind)
    list(APPEND objects "${CMAKE_ARGV${i}}")
  elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(behind ON)
  endif()
endforeach()
check_objects(${objects})
