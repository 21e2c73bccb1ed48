# room(NAME base SRCS a.cc b.cc DEPS other_room lib::x TESTS a_test.cc TEST_DEPS y PRECOMPILES <x.h>)
# The only way to make a library. A room is a folder: sources are listed, tests lie beside them and become one
# program `<name>_test`, run by ctest under the room's name. A room whose sources nearly all include a heavy header of
# others names it after PRECOMPILES.
function(room)
  cmake_parse_arguments(ROOM "" "NAME" "SRCS;DEPS;TESTS;TEST_DEPS;PRECOMPILES" ${ARGN})
  set(target holdfast_${ROOM_NAME})
  list(TRANSFORM ROOM_DEPS REPLACE "^([a-z0-9_]+)$" "holdfast_\\1")
  list(TRANSFORM ROOM_TEST_DEPS REPLACE "^([a-z0-9_]+)$" "holdfast_\\1")
  if(ROOM_SRCS)
    add_library(${target} STATIC ${ROOM_SRCS})
    target_link_libraries(${target} PUBLIC holdfast_flags ${ROOM_DEPS} Threads::Threads)
    precompile_headers(${target} ${ROOM_PRECOMPILES})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE holdfast_flags ${ROOM_DEPS} Threads::Threads)
  endif()
  if(HOLDFAST_TESTS AND ROOM_TESTS)
    add_executable(${ROOM_NAME}_test ${ROOM_TESTS})
    target_link_libraries(${ROOM_NAME}_test PRIVATE ${target} ${ROOM_TEST_DEPS} GTest::gtest GTest::gtest_main)
    set_target_properties(${ROOM_NAME}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${ROOM_NAME} COMMAND ${ROOM_NAME}_test)
  endif()
endfunction()

# Headers of others that most sources include, and that cost more to parse than the sources themselves. None of ours:
# whoever changes one would wait for all, and what stands in a precompiled header is spared the warnings.
# Sources include what they use all the same: the portable and clang presets build them without this.
set(HOLDFAST_COMMON_HEADERS
  <algorithm> <array> <atomic> <bit> <charconv> <chrono> <compare> <condition_variable> <cstddef> <cstdint> <cstring>
  <deque> <functional> <list> <map> <memory> <mutex> <optional> <set> <span> <stop_token> <string> <string_view>
  <thread> <tuple> <type_traits> <unordered_map> <unordered_set> <utility> <variant> <vector>
  <fmt/format.h> <tl/expected.hpp>)

# The lowest room and those with headers of their own make a file; all others use the lowest room's.
function(precompile_headers target)
  if(NOT HOLDFAST_PRECOMPILED_HEADERS)
    return()
  endif()
  if(target STREQUAL "holdfast_base" OR ARGN)
    target_precompile_headers(${target} PRIVATE ${HOLDFAST_COMMON_HEADERS} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM holdfast_base)
  endif()
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  # The compiler looks for its own garbage, for which it wades through all that was precompiled too, a few times instead
  # of dozens: a tenth of its time, for 100 MB of memory.
  target_compile_options(${target} PRIVATE --param=ggc-min-heapsize=200000)
  # Of code from a precompiled header g++ 12 forgets that it is the library's, and reports what it otherwise knows to be
  # false there: strings that are joined would be too long. The portable preset has these warnings.
  target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endfunction()
