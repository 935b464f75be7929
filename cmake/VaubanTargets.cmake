# Compile settings shared by every target, and the one way to declare a layer.

find_program(VAUBAN_CCACHE ccache)
if(VAUBAN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${VAUBAN_CCACHE}")
endif()

add_library(vauban_settings INTERFACE)
target_include_directories(vauban_settings INTERFACE "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/include")
target_compile_options(vauban_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Woverloaded-virtual -Wno-missing-field-initializers)  # designated initialisers leave defaults
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 sees overlaps in std::string appends that are not there (gcc bug 105651), and with sanitizers uninitialised
  # members of std::variant.
  target_compile_options(vauban_settings INTERFACE -Wno-restrict)
  if(VAUBAN_SANITIZE)
    target_compile_options(vauban_settings INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(VAUBAN_WERROR)
  target_compile_options(vauban_settings INTERFACE -Werror)
endif()
if(VAUBAN_SANITIZE)
  target_compile_options(vauban_settings INTERFACE -fsanitize=${VAUBAN_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(vauban_settings INTERFACE -fsanitize=${VAUBAN_SANITIZE})
endif()

# A third of compiling here is reading the same headers of the standard library again. ccache spares more than that and
# cannot share precompiled headers, so these are for builds from nothing, such as CI's.
set(VAUBAN_TEST_FLAGS "" CACHE STRING "Further compiler flags of the tests' own sources: they are compiled once and run once")
option(VAUBAN_PRECOMPILE "Precompile the headers that nearly every file includes; not together with ccache" OFF)
set(VAUBAN_COMMON_HEADERS <algorithm> <cmath> <cstdint> <filesystem> <functional> <map> <memory> <optional> <set> <span>
    <sstream> <string> <string_view> <unordered_map> <utility> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
if(VAUBAN_PRECOMPILE)
  # gcc forgets which lines of a precompiled header are the system's, and guesses about lengths there.
  target_compile_options(vauban_settings INTERFACE -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/precompiled.cpp" CONTENT "")  # written once
  add_library(vauban_precompiled OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
  target_link_libraries(vauban_precompiled PRIVATE vauban_settings Threads::Threads fmt::fmt)
  target_precompile_headers(vauban_precompiled PRIVATE ${VAUBAN_COMMON_HEADERS})
  if(VAUBAN_TESTS)
    add_library(vauban_precompiled_tests OBJECT "${CMAKE_BINARY_DIR}/precompiled.cpp")
    target_link_libraries(vauban_precompiled_tests PRIVATE vauban_settings Threads::Threads fmt::fmt GTest::gtest GTest::gmock)
    target_compile_options(vauban_precompiled_tests PRIVATE ${VAUBAN_TEST_FLAGS})
    target_precompile_headers(vauban_precompiled_tests PRIVATE ${VAUBAN_COMMON_HEADERS} <gtest/gtest.h>)
  endif()
endif()

# vauban_precompile(TARGET PRECOMPILED): PRECOMPILED is one of the two targets above.
function(vauban_precompile name precompiled)
  if(VAUBAN_PRECOMPILE)
    target_precompile_headers(${name} REUSE_FROM ${precompiled})
  endif()
endfunction()

# vauban_layer(NAME [DEPENDS layer ...] [LIBRARIES lib ...] [TEST_DEPENDS target ...] [EXCLUDE regex])
# A static library from every *.cpp of the folder and below, and a test program from every *_test.cpp.
function(vauban_layer name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_DEPENDS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")  # a program, not part of the layer
  foreach(pattern ${ARG_EXCLUDE})
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  if(NOT sources)
    add_library(vauban_${name} INTERFACE)
    target_link_libraries(vauban_${name} INTERFACE vauban_settings)
    foreach(dep ${ARG_DEPENDS})
      target_link_libraries(vauban_${name} INTERFACE vauban_${dep})
    endforeach()
    return()
  endif()
  add_library(vauban_${name} STATIC ${sources})
  target_link_libraries(vauban_${name} PUBLIC vauban_settings Threads::Threads fmt::fmt PRIVATE ${ARG_LIBRARIES})
  vauban_precompile(vauban_${name} vauban_precompiled)
  foreach(dep ${ARG_DEPENDS})
    target_link_libraries(vauban_${name} PUBLIC vauban_${dep})
  endforeach()
  if(VAUBAN_TESTS AND tests)
    vauban_test(${name}_test SOURCES ${tests} LIBRARIES vauban_${name} ${ARG_TEST_DEPENDS} ${ARG_LIBRARIES})
  endif()
endfunction()

# The tests that `make test` also runs under ASan and UBSan: parsers of untrusted bytes, and code on raw memory.
set(VAUBAN_SANITIZED_TESTS base_test tensor_test format_test text_test suite_test trace_test ops_test backends_test ops_contract_test)
if(VAUBAN_TESTS)
  add_custom_target(sanitized_tests)
endif()

# vauban_test(NAME [SHARDS n] SOURCES file ... LIBRARIES target ...)
# ctest runs every test in a process of its own; with SHARDS it runs n parts of the program instead: for thousands of short
# cases, where starting the process costs more than the test.
function(vauban_test name)
  cmake_parse_arguments(ARG "" "SHARDS" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} vauban_test_support GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${VAUBAN_TEST_FLAGS})
  if(NOT vauban_torch_objects IN_LIST ARG_LIBRARIES)  # whose fmt is header-only
    vauban_precompile(${name} vauban_precompiled_tests)
  endif()
  set(label full)
  if(name IN_LIST VAUBAN_SANITIZED_TESTS)
    add_dependencies(sanitized_tests ${name})
    set(label sanitized)
  endif()
  if(NOT ARG_SHARDS)
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 120 PROPERTIES TIMEOUT 600 LABELS ${label})
    return()
  endif()
  foreach(shard RANGE 1 ${ARG_SHARDS})
    math(EXPR index "${shard} - 1")
    add_test(NAME ${name}.${shard}_of_${ARG_SHARDS} COMMAND ${name})
    set_tests_properties(${name}.${shard}_of_${ARG_SHARDS} PROPERTIES TIMEOUT 600 LABELS ${label}
                         ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()

# vauban_test_backends(NAME ...)
# Tests that walk all backends: they need the torch module where it is built.
function(vauban_test_backends)
  foreach(name ${ARGN})
    if(TARGET vauban_torch)
      add_dependencies(${name} vauban_torch)
      target_compile_definitions(${name} PRIVATE VAUBAN_TEST_TORCH=1)
    endif()
  endforeach()
endfunction()
