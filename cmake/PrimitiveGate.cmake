# vauban_primitive_gate(TARGET FLAGS)
# Compiles the recorded gate of the activation primitive's kernels into a target: the text of the record (empty where there is
# none), and the digest of the sources and flags that this build compiles. What follows from the two is decided in
# src/backends/cpu/primitive_gate.cpp. A source or a record that changed configures and compiles again.
set(VAUBAN_PRIMITIVE_GATE_SOURCES
    include/vauban/primitive.h src/backends/cpu/primitive.cpp src/backends/cpu/primitive.h src/backends/cpu/primitive_avx2.cpp
    src/backends/cpu/primitive_avx512.cpp src/backends/cpu/primitive_impl.h src/backends/cpu/primitive_kernels.h
    src/backends/cpu/primitive_ops.cpp src/backends/cpu/primitive_portable.cpp src/backends/cpu/simd.h src/ops/primitive.cpp
    src/ops/primitive_rows.cpp src/ops/primitive_rows.h)

function(vauban_primitive_gate target flags)
  # A glob, so that a record which appears or goes away is noticed too.
  file(GLOB record CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/docs/gates/primitive-cpu.json")
  set(VAUBAN_GATE_RECORD "")
  if(record)
    file(READ "${record}" VAUBAN_GATE_RECORD)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${record}")
  endif()
  set(text "")
  set(VAUBAN_GATE_SOURCES "")
  foreach(source ${VAUBAN_PRIMITIVE_GATE_SOURCES})
    file(SHA256 "${CMAKE_SOURCE_DIR}/${source}" digest)
    string(APPEND text "${source} ${digest}\n")
    string(APPEND VAUBAN_GATE_SOURCES "      \"${source}\",\n")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${source}")
  endforeach()
  string(SHA256 VAUBAN_GATE_DIGEST "${text}${flags}\n")
  string(STRIP "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_CXX_FLAGS}" VAUBAN_GATE_COMPILER)
  set(VAUBAN_GATE_FLAGS "${flags}")
  set(VAUBAN_GATE_ARCHITECTURE "${CMAKE_SYSTEM_PROCESSOR}")
  set(output "${CMAKE_CURRENT_BINARY_DIR}/primitive_gate_record.cpp")
  configure_file("${CMAKE_SOURCE_DIR}/cmake/primitive_gate_record.cpp.in" "${output}" @ONLY)
  target_sources(${target} PRIVATE "${output}")
endfunction()
