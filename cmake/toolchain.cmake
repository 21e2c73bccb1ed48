# Compiler, warnings and hardening, the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

# For g++ and the release preset (cmake/room.cmake); the others find what it overlooks.
option(HOLDFAST_PRECOMPILED_HEADERS "Parse the headers that nearly every source includes once (needs g++)" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # ccache must be told that it may cache what uses a precompiled header, and to keep the hash of such a large file.
  execute_process(COMMAND ${CCACHE_PROGRAM} --get-config sloppiness OUTPUT_VARIABLE ccache_sloppiness
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(REPLACE " " "" ccache_sloppiness "pch_defines,time_macros,${ccache_sloppiness}")
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=${ccache_sloppiness} CCACHE_INODECACHE=1 ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(holdfast_flags INTERFACE)
target_include_directories(holdfast_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(holdfast_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Werror=unused-result
                            -Werror=return-type>
  -fno-omit-frame-pointer -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(holdfast_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-gnu-statement-expression>)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" OR CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(holdfast_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
option(HOLDFAST_WERROR "Treat every warning as an error" OFF)
if(HOLDFAST_WERROR)
  target_compile_options(holdfast_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()

# Instrumentation covers every object of the build, so it is set globally.
set(HOLDFAST_SANITIZE "" CACHE STRING "Comma-separated sanitizers, such as address,undefined")
if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
  # GCC's flow analysis cannot see through the instrumentation and warns of every std::variant.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
