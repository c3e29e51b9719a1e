// Sparse convolution over a neighbour table: what one instruction set offers, and what it is given.
#pragma once
#include <algorithm>
#include <cstdint>
#include <new>
#include <vector>

namespace ssen {

// output[o] = act(bias + shortcut[o] + sum_k input[table[o, k]] * kernel[k])
struct Convolution {
  const void* input;     // (num_inputs, in_channels), float or bfloat16 as the kernels say
  const int32_t* table;  // (num_outputs, volume) input rows; num_inputs: none there. Null: input row o, volume 1
  const int32_t* order;  // (num_outputs) in which order the rows are worked on; null: as they come
  const void* packed;    // the kernel, as `pack` left it
  const float* bias;     // (out_channels) or null
  const void* shortcut;  // (num_outputs, out_channels) or null, same type as the input
  void* output;          // (num_outputs, out_channels), same type as the input
  int64_t num_inputs, num_outputs;
  int32_t volume, in_channels, out_channels, relu, threads;
};

// kernel[k] = sum over the pairs (i, o) of offset k of input[i]^T * gradient[o]
struct KernelGradient {
  const void* input;     // (num_inputs, in_channels), float or bfloat16
  const int32_t* table;  // as above
  const void* gradient;  // (num_outputs, out_channels), same type as the input
  float* kernel;         // (volume, in_channels, out_channels), overwritten
  int64_t num_inputs, num_outputs;
  int32_t volume, in_channels, out_channels, threads;
};

// Input channels up to which all neighbours of a row are laid side by side, as one long row.
constexpr int FEW = 8;

// Memory of one thread, kept from call to call.
template <class T>
T* scratch(std::vector<T>& memory, size_t count) {
  if (memory.size() < count) memory.resize(count);
  return memory.data();
}

// An input row and the row of a block whose neighbour it is, written at once.
class Pair {
  uint64_t both_;

 public:
  Pair() = default;
  Pair(int32_t input, uint32_t row) : both_(uint64_t(row) << 32 | uint32_t(input)) {}
  int32_t input() const { return int32_t(both_); }
  int32_t row() const { return int32_t(both_ >> 32); }
};

// For each offset from `first` up to `last`, the pairs of a block's rows and their neighbours there.
template <int BLOCK>
class Pairs {
  std::vector<Pair> pair_;
  std::vector<int32_t> count_;

 public:
  void list(const int32_t* table, int32_t volume, int32_t first, int32_t last, int64_t begin, int32_t rows,
            int32_t none) {
    pair_.resize(size_t(volume) * BLOCK);
    count_.assign(volume, 0);
    Pair* const pair = pair_.data();
    int32_t* const count = count_.data();
    for (int32_t r = 0; r < rows; ++r) {
      for (int32_t k = first; k < last; ++k) {
        const int32_t neighbour = table ? table[(begin + r) * volume + k] : int32_t(begin + r);
        pair[int64_t(k) * BLOCK + count[k]] = Pair(neighbour, r);  // overwritten by the next one unless it counts
        count[k] += neighbour != none;
      }
    }
  }
  const Pair* of(int32_t k) const { return &pair_[int64_t(k) * BLOCK]; }
  int32_t count(int32_t k) const { return count_[k]; }
};

// The gradient's work in equal shares: strips of input channels, each of one offset, weighed by the offset's pairs.
// A thread owns the strips of its share, so the sums do not depend on the number of threads.
class Shares {
  std::vector<int64_t> cost_;  // pairs of the offsets before
  int32_t strips_, threads_;

 public:
  Shares(const KernelGradient& g, int32_t strip)
      : cost_(g.volume + 1, 0), strips_((g.in_channels + strip - 1) / strip), threads_(g.threads) {
    for (int64_t o = 0; o < g.num_outputs; ++o)
      for (int32_t k = 0; k < g.volume; ++k) cost_[k + 1] += !g.table || g.table[o * g.volume + k] != g.num_inputs;
    for (int32_t k = 0; k < g.volume; ++k) cost_[k + 1] += cost_[k];
  }

  int32_t strips() const { return strips_; }

  // The strip at which a thread begins, counted through all offsets; that of `threads` is the end.
  int32_t first(int32_t thread) const {
    const int32_t volume = int32_t(cost_.size()) - 1;
    const int64_t share = cost_[volume] * strips_ * thread / threads_;
    const int32_t k = int32_t(std::upper_bound(cost_.begin(), cost_.end(), share / strips_) - cost_.begin()) - 1;
    if (thread == threads_ || k >= volume) return volume * strips_;
    const int64_t pairs = cost_[k + 1] - cost_[k];
    return k * strips_ + int32_t((share - cost_[k] * strips_) / pairs);
  }
};

struct Kernels {
  int64_t (*packed_bytes)(int32_t volume, int32_t in_channels, int32_t out_channels);
  // kernel (volume, in_channels, out_channels) float32
  void (*pack)(const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels, void* packed);
  bool (*convolve)(const Convolution&);  // false where a thread's own memory, some 100 kB, is not to be had
  void (*kernel_gradient)(const KernelGradient&);
};

}  // namespace ssen
