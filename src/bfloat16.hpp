// bfloat16: the upper half of a float. Static, so that each instruction set has functions of its own.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace ssen {

typedef uint16_t bfloat16;

static inline float widen(float value) { return value; }
static inline float widen(bfloat16 value) {
  const uint32_t bits = uint32_t(value) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

// To nearest, ties to even; NaN stays NaN.
static inline void narrow(float value, bfloat16& result) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
  result = bfloat16(std::isnan(value) ? quiet : rounded);
}
static inline void narrow(float value, float& result) { result = value; }

}  // namespace ssen
