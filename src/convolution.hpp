// Sparse convolution over a neighbour table: what one instruction set offers, and what it is given.
#pragma once
#include <cstdint>

namespace ssen {

// output[o] = act(bias + shortcut[o] + sum_k input[table[o, k]] * kernel[k])
struct Convolution {
  const void* input;      // (num_inputs, in_channels), float or bfloat16 as the kernels say
  const int32_t* table;   // (num_outputs, volume) input rows; num_inputs: none there. Null: input row o, volume 1
  const int32_t* order;   // (num_outputs) in which order the rows are worked on; null: as they come
  const void* packed;     // the kernel, as `pack` left it
  const float* bias;      // (out_channels) or null
  const void* shortcut;   // (num_outputs, out_channels) or null, same type as the input
  void* output;           // (num_outputs, out_channels), same type as the input
  int64_t num_inputs, num_outputs;
  int32_t volume, in_channels, out_channels, relu, threads;
};

// kernel[k] += sum over the pairs (i, o) of offset k of input[i]^T * gradient[o]; `gradient` has num_outputs rows
struct KernelGradient {
  const float* input;
  const int32_t* table;  // as above
  const float* gradient;
  float* kernel;  // (volume, in_channels, out_channels), overwritten
  int64_t num_inputs, num_outputs;
  int32_t volume, in_channels, out_channels, threads;
};

struct Kernels {
  int64_t (*packed_bytes)(int32_t volume, int32_t in_channels, int32_t out_channels);
  // kernel (volume, in_channels, out_channels) float32
  void (*pack)(const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels, void* packed);
  void (*convolve)(const Convolution&);
  void (*kernel_gradient)(const KernelGradient&);  // null where the set has none
};

}  // namespace ssen
