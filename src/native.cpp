// The C interface: which instruction sets were built and which of them this CPU has, and calls into one of them.
#include "convolution.hpp"
#include "watch.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace ssen {
namespace portable { extern const Kernels kernels; }
#if defined(SSEN_HAS_avx2)
namespace avx2 { extern const Kernels kernels; }
#endif
#if defined(SSEN_HAS_avx512)
namespace avx512 { extern const Kernels kernels; }
#endif
#if defined(SSEN_HAS_avx512_bf16)
namespace avx512_bf16 { extern const Kernels kernels; }
#endif
#if defined(SSEN_HAS_amx)
namespace amx { extern const Kernels kernels; }
#endif
namespace plain_tiles { extern const Kernels kernels; }

namespace {

// Linux hands out the tile registers on request, once for the process and its later threads.
[[maybe_unused]] bool amx_bf16() {
#if defined(__x86_64__) && defined(__linux__)
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned BF16 = 1u << 22, TILE = 1u << 24;
  constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
  return (d & BF16) && (d & TILE) && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
  return false;
#endif
}

[[maybe_unused]] bool avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

[[maybe_unused]] bool avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

[[maybe_unused]] bool vdpbf16() {
#if defined(SSEN_HAS_avx512_bf16)
  return avx512() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

bool always() { return true; }

struct Set {
  const char* name;
  const Kernels* kernels;
  bool (*supported)();
};

const Set sets[] = {
    {"portable", &portable::kernels, always},
#if defined(SSEN_HAS_avx2)
    {"avx2", &avx2::kernels, avx2},
#endif
#if defined(SSEN_HAS_avx512)
    {"avx512", &avx512::kernels, avx512},
#endif
#if defined(SSEN_HAS_avx512_bf16)
    {"avx512_bf16", &avx512_bf16::kernels, vdpbf16},
#endif
#if defined(SSEN_HAS_amx)
    {"amx", &amx::kernels, [] { return avx512() && amx_bf16(); }},
#endif
    {"plain_tiles", &plain_tiles::kernels, always},
};
constexpr int COUNT = sizeof(sets) / sizeof(sets[0]);

thread_local const volatile int32_t* flag = nullptr;

}  // namespace

const volatile int32_t* watched() { return flag; }

}  // namespace ssen

extern "C" {

// Raised with every change of this interface; the caller refuses another one's.
int32_t ssen_interface() { return 5; }

// From now on the calls of this thread end early once the flag is not 0, and their results are to be thrown away.
// Null: they look at none. The flag has to live until then.
void ssen_watch(const int32_t* flag) { ssen::flag = flag; }

// The name of instruction set `set`, from 0; null beyond the last.
const char* ssen_isa_name(int32_t set) { return set >= 0 && set < ssen::COUNT ? ssen::sets[set].name : nullptr; }

int32_t ssen_isa_supported(int32_t set) { return ssen::sets[set].supported(); }

int64_t ssen_packed_bytes(int32_t set, int32_t volume, int32_t in_channels, int32_t out_channels) {
  return ssen::sets[set].kernels->packed_bytes(volume, in_channels, out_channels);
}

void ssen_pack(int32_t set, const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels,
               void* packed) {
  ssen::sets[set].kernels->pack(kernel, volume, in_channels, out_channels, packed);
}

// Returns 0, 2 where memory is short. Ends early where it was given up, see `ssen_watch`.
int32_t ssen_convolve(int32_t set, const ssen::Convolution* arguments) {
  return ssen::sets[set].kernels->convolve(*arguments) ? 0 : 2;
}

void ssen_kernel_gradient(int32_t set, const ssen::KernelGradient* arguments) {
  ssen::sets[set].kernels->kernel_gradient(*arguments);
}

}  // extern "C"
