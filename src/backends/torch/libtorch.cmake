# What the torch module needs, said once for the module (CMakeLists.txt) and for the proof that stands alone
# (tests/torch/alone):
#   vauban_libtorch              LibTorch as a target; absent when there is none, and then VAUBAN_TORCH_REASON says so
#   VAUBAN_TORCH_SOURCES         the files that speak to LibTorch
#   VAUBAN_TORCH_SHARED_SOURCES  what they need of base, tensor and ops
#   VAUBAN_TORCH_SOURCE_DIGEST   of the headers that the module and the program share: the loader compares it
#   vauban_torch_proof_digest()  of every source that decides what a device answers: result files name it
#
# LibTorch: the one below a folder of CMAKE_PREFIX_PATH (the torch folder of a wheel, or the unpacked libtorch archive)
# before the distribution's. Its own CMake files ask for a CUDA toolkit when it was built with CUDA; only the host part
# is linked here, and the CUDA part is opened when a device is asked for.
get_filename_component(vauban_root "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

function(vauban_find_torch_part variable kind name)
  foreach(only_named YES NO)
    set(where PATHS ${CMAKE_PREFIX_PATH} NO_DEFAULT_PATH)
    if(NOT only_named)
      set(where "")
    endif()
    if(kind STREQUAL "library")
      find_library(${variable} ${name} ${where} PATH_SUFFIXES lib torch/lib)
    else()
      find_path(${variable} ${name} ${where}
                PATH_SUFFIXES include torch/include include/torch/csrc/api/include torch/include/torch/csrc/api/include)
    endif()
  endforeach()
endfunction()

set(VAUBAN_TORCH_REASON "not asked for (VAUBAN_TORCH)")
if(NOT DEFINED VAUBAN_TORCH OR VAUBAN_TORCH)
  # Another CMAKE_PREFIX_PATH is another LibTorch: what was found before must not be kept.
  if(NOT "${VAUBAN_TORCH_PREFIX_PATH}" STREQUAL "${CMAKE_PREFIX_PATH}")
    foreach(variable VAUBAN_TORCH_INCLUDE VAUBAN_TORCH_API_INCLUDE VAUBAN_TORCH_CPU VAUBAN_TORCH_C10)
      unset(${variable} CACHE)
    endforeach()
  endif()
  set(VAUBAN_TORCH_PREFIX_PATH "${CMAKE_PREFIX_PATH}" CACHE INTERNAL "where LibTorch was looked for")
  vauban_find_torch_part(VAUBAN_TORCH_INCLUDE header ATen/ATen.h)
  vauban_find_torch_part(VAUBAN_TORCH_API_INCLUDE header torch/cuda.h)
  vauban_find_torch_part(VAUBAN_TORCH_CPU library torch_cpu)
  vauban_find_torch_part(VAUBAN_TORCH_C10 library c10)
  if(NOT VAUBAN_TORCH_INCLUDE OR NOT VAUBAN_TORCH_API_INCLUDE OR NOT VAUBAN_TORCH_CPU OR NOT VAUBAN_TORCH_C10)
    set(VAUBAN_TORCH_REASON "LibTorch not found (scripts/setup --tests, or -DCMAKE_PREFIX_PATH=.../torch)")
  else()
    message(STATUS "LibTorch: ${VAUBAN_TORCH_CPU}")
    add_library(vauban_libtorch INTERFACE)
    target_include_directories(vauban_libtorch SYSTEM INTERFACE "${VAUBAN_TORCH_INCLUDE}" "${VAUBAN_TORCH_API_INCLUDE}")
    target_link_libraries(vauban_libtorch INTERFACE "${VAUBAN_TORCH_CPU}" "${VAUBAN_TORCH_C10}" ${CMAKE_DL_LIBS})
    # A wheel carries an fmt of its own beside LibTorch's headers. Whichever one is found first is used without a library,
    # so that its version need not be the one that the program links. From 12 on, <fmt/core.h> has format() on request only.
    target_compile_definitions(vauban_libtorch INTERFACE FMT_HEADER_ONLY=1 FMT_DEPRECATED_HEAVY_CORE=1)
  endif()
endif()

file(GLOB VAUBAN_TORCH_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/*.cpp")
file(GLOB VAUBAN_TORCH_SHARED_SOURCES CONFIGURE_DEPENDS "${vauban_root}/src/tensor/*.cpp"
     "${vauban_root}/src/tensor/quant/*.cpp" "${vauban_root}/src/ops/*.cpp")
foreach(name result context thread_pool rng strings)
  list(APPEND VAUBAN_TORCH_SHARED_SOURCES "${vauban_root}/src/base/${name}.cpp")
endforeach()
list(FILTER VAUBAN_TORCH_SOURCES EXCLUDE REGEX "_test\\.cpp$")
list(FILTER VAUBAN_TORCH_SHARED_SOURCES EXCLUDE REGEX "_test\\.cpp$")

# vauban_digest(VARIABLE TEXT file ...): the first 16 digits of SHA-256 over TEXT and the files; a change configures again.
function(vauban_digest variable text)
  foreach(file ${ARGN})
    file(SHA256 "${file}" digest)
    string(APPEND text " ${digest}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  endforeach()
  string(SHA256 whole "${text}")
  string(SUBSTRING "${whole}" 0 16 short)
  set(${variable} "${short}" PARENT_SCOPE)
endfunction()

set(vauban_border "")
foreach(header src/ops/ops.h src/ops/gradients.h src/ops/batch.h src/ops/weight.h src/tensor/tensor.h src/tensor/shape.h
        src/tensor/dtype.h src/base/context.h src/base/thread_pool.h src/base/result.h include/vauban/primitive.h
        include/vauban/result.h src/backends/torch/torch_module.h)
  list(APPEND vauban_border "${vauban_root}/${header}")
endforeach()
vauban_digest(VAUBAN_TORCH_SOURCE_DIGEST "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" ${vauban_border})

# Recorded in result files, so that one from other sources is seen to be stale. Concatenated in the order of the names.
function(vauban_torch_proof_digest variable)
  get_filename_component(root "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../.." ABSOLUTE)  # callers lie elsewhere
  set(globs "")
  foreach(folder src/backends/torch src/backends/reference src/ops src/tensor tests/torch/alone)
    list(APPEND globs "${root}/${folder}/*.cpp" "${root}/${folder}/*.h")
  endforeach()
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${globs})
  list(FILTER files EXCLUDE REGEX "_test\\.cpp$")
  list(SORT files)
  if(NOT files)
    message(FATAL_ERROR "no sources below ${root}: the digest of a proof would be that of nothing")
  endif()
  vauban_digest(digest "" ${files})
  set(${variable} "${digest}" PARENT_SCOPE)
endfunction()
