// Which outputs of a layer have changed, for networks that keep them from pass to pass
// (ssen_ros/sparse/incremental.py).
#include "bfloat16.hpp"

#include <cstdint>
#include <cstring>

namespace ssen {
namespace {

template <class T>
int64_t settle(const T* output, const int64_t* rows, int64_t count, int32_t channels, const uint8_t* is_new,
               float tolerance, T* kept, int64_t stride, int64_t* changed) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; ++i, output += channels) {
    T* const old = kept + rows[i] * stride;
    float distance = 0;
    for (int32_t c = 0; c < channels; ++c) {
      const float difference = widen(output[c]) - widen(old[c]);
      distance += difference * difference;
    }
    if (distance <= tolerance && !is_new[rows[i]]) continue;
    std::memcpy(old, output, channels * sizeof(T));
    changed[found++] = rows[i];
  }
  return found;
}

}  // namespace
}  // namespace ssen

// kept[rows[i]] = output[i] where their squared distance is above `tolerance`, or the row is new; lists those rows
//   output (count, channels) float, or bfloat16 if `bytes` is 2; kept (…, channels), its rows `stride` values apart
extern "C" int64_t ssen_settle(int32_t bytes, const void* output, const int64_t* rows, int64_t count, int32_t channels,
                               const uint8_t* is_new, float tolerance, void* kept, int64_t stride, int64_t* changed) {
  if (bytes == 2)
    return ssen::settle(static_cast<const ssen::bfloat16*>(output), rows, count, channels, is_new, tolerance,
                        static_cast<ssen::bfloat16*>(kept), stride, changed);
  return ssen::settle(static_cast<const float*>(output), rows, count, channels, is_new, tolerance,
                      static_cast<float*>(kept), stride, changed);
}
