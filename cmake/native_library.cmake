# libssen_native.so: the kernels of src/ behind a plain C interface, loaded by ssen_ros/native.py with ctypes.
# It knows nothing of Python or PyTorch, so it outlives upgrades of both.
#
# The convolution is compiled once for each instruction set that the compiler knows; src/native.cpp chooses among
# them at run time. SSEN_SANITIZE=address,undefined builds it for `make test-sanitizers`.

include(CheckCXXCompilerFlag)
find_package(OpenMP REQUIRED COMPONENTS CXX)

add_library(ssen_native SHARED src/native.cpp src/kernel_map.cpp)
set(ssen_native_parts ssen_native)

function(ssen_add_kernels isa source)
  cmake_parse_arguments(ARG "" "" "FLAGS;DEFINITIONS" ${ARGN})
  add_library(ssen_kernels_${isa} OBJECT ${source})
  target_compile_options(ssen_kernels_${isa} PRIVATE ${ARG_FLAGS})
  target_compile_definitions(ssen_kernels_${isa} PRIVATE SSEN_ISA=${isa} ${ARG_DEFINITIONS})
  target_compile_definitions(ssen_native PRIVATE SSEN_HAS_${isa})
  target_sources(ssen_native PRIVATE $<TARGET_OBJECTS:ssen_kernels_${isa}>)
  set(ssen_native_parts ${ssen_native_parts} ssen_kernels_${isa} PARENT_SCOPE)
endfunction()

ssen_add_kernels(portable src/convolution.cpp)
ssen_add_kernels(plain_tiles src/tiles.cpp DEFINITIONS SSEN_PLAIN_TILES)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma)
  ssen_add_kernels(avx2 src/convolution.cpp FLAGS -mavx2 -mfma)
  ssen_add_kernels(avx512 src/convolution.cpp FLAGS ${avx512})
  check_cxx_compiler_flag("-mamx-tile -mamx-bf16" SSEN_COMPILER_HAS_AMX)
  if(SSEN_COMPILER_HAS_AMX)
    ssen_add_kernels(amx src/tiles.cpp FLAGS ${avx512} -mamx-tile -mamx-bf16)
  endif()
endif()

foreach(part IN LISTS ssen_native_parts)
  target_compile_features(${part} PRIVATE cxx_std_17)
  target_compile_options(${part} PRIVATE -O3 -Wall -Wextra ${OpenMP_CXX_FLAGS})
  set_target_properties(${part} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET default)
  if(SSEN_SANITIZE)
    target_compile_options(${part} PRIVATE -fsanitize=${SSEN_SANITIZE} -fno-omit-frame-pointer -g)
  endif()
endforeach()
target_link_libraries(ssen_native PRIVATE OpenMP::OpenMP_CXX)
if(SSEN_SANITIZE)
  target_link_options(ssen_native PRIVATE -fsanitize=${SSEN_SANITIZE})
endif()
