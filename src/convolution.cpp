// Sparse convolution in float32. Compiled once for each instruction set, with SSEN_ISA naming it and the
// compiler's flags choosing it; vectors are the compiler's own, so there is one source for all.
//
// Rows are worked on in blocks whose sums stay in the cache. For each kernel offset the rows of a block that have
// a neighbour there are listed, and a register tile of ROWS rows times PANEL channels runs down that list: only
// pairs that exist are multiplied, and nothing is gathered or scattered through memory.
#include "convolution.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace ssen {
namespace SSEN_ISA {

// ROWS: those of a register tile; STRIP: input channels of one in the gradient. As many sums as registers hold beside
// two vectors and a broadcast; named b0 and b1, since GCC 12 keeps an array of two on the stack (1.7 times as slow).
#if defined(__AVX512F__)
constexpr int WIDTH = 16, ROWS = 12, STRIP = 8;
#elif defined(__AVX2__)
constexpr int WIDTH = 8, ROWS = 6, STRIP = 6;
#else
constexpr int WIDTH = 4, ROWS = 6, STRIP = 6;
#endif
constexpr int VECTORS = 2;
constexpr int PANEL = VECTORS * WIDTH;  // output channels of a register tile
constexpr int BLOCK = 256;              // most rows of a block

typedef float vec __attribute__((vector_size(WIDTH * sizeof(float)), aligned(sizeof(float)), may_alias));

inline vec load(const float* p) { return *reinterpret_cast<const vec*>(p); }
inline void store(float* p, vec v) { *reinterpret_cast<vec*>(p) = v; }
inline int32_t padded(int32_t channels) { return (channels + PANEL - 1) / PANEL * PANEL; }

// sum[r] += x[r] * w for R rows; w (depth, PANEL)
template <int R>
inline void multiply(const float* const* x, float* const* sum, const float* w, int32_t depth) {
  vec acc[R][VECTORS];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < VECTORS; ++v) acc[r][v] = load(sum[r] + v * WIDTH);
  for (int32_t c = 0; c < depth; ++c, w += PANEL) {
    const vec b0 = load(w), b1 = load(w + WIDTH);
    for (int r = 0; r < R; ++r) acc[r][0] += b0 * x[r][c], acc[r][1] += b1 * x[r][c];
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < VECTORS; ++v) store(sum[r] + v * WIDTH, acc[r][v]);
}

// The same for any number of rows up to R.
template <int R>
inline void multiply_upto(int rows, const float* const* x, float* const* sum, const float* w, int32_t depth) {
  if (rows == R)
    multiply<R>(x, sum, w, depth);
  else if constexpr (R > 1)
    multiply_upto<R - 1>(rows, x, sum, w, depth);
}

// kernel[r] (PANEL wide, rows `stride` apart) += sum over n pairs of x[p][r] * g[p]
template <int R>
inline void outer(const float* const* x, const float* const* g, int32_t n, int32_t channel, int32_t panel, float* kernel,
                  int64_t stride) {
  vec acc[R][VECTORS];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < VECTORS; ++v) acc[r][v] = load(kernel + r * stride + v * WIDTH);
  for (int32_t p = 0; p < n; ++p) {
    const float* a = x[p] + channel;
    const vec b0 = load(g[p] + panel), b1 = load(g[p] + panel + WIDTH);
    for (int r = 0; r < R; ++r) acc[r][0] += b0 * a[r], acc[r][1] += b1 * a[r];
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < VECTORS; ++v) store(kernel + r * stride + v * WIDTH, acc[r][v]);
}

template <int R>
inline void outer_upto(int rows, const float* const* x, const float* const* g, int32_t n, int32_t channel, int32_t panel,
                       float* kernel, int64_t stride) {
  if (rows == R)
    outer<R>(x, g, n, channel, panel, kernel, stride);
  else if constexpr (R > 1)
    outer_upto<R - 1>(rows, x, g, n, channel, panel, kernel, stride);
}

// Blocks small enough that every thread gets several.
int32_t block_rows(int64_t rows, int32_t threads) {
  const int64_t share = rows / (int64_t(threads) * 4) / ROWS * ROWS;
  return int32_t(std::clamp<int64_t>(share, 8 * ROWS, BLOCK));
}

// A kernel over few channels is packed as one offset of volume * in_channels channels.
struct Shape {
  int32_t volume, depth;
  Shape(int32_t k, int32_t channels) : volume(channels > FEW ? k : 1), depth(channels > FEW ? channels : k * channels) {}
};

int64_t packed_bytes(int32_t volume, int32_t in_channels, int32_t out_channels) {
  return int64_t(volume) * in_channels * padded(out_channels) * sizeof(float);
}

// (volume, in, out) to (volume, out / PANEL, in, PANEL), zeros beyond `out`
void pack(const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels, void* packed) {
  const Shape shape(volume, in_channels);
  float* to = static_cast<float*>(packed);
  for (int32_t k = 0; k < shape.volume; ++k, kernel += int64_t(shape.depth) * out_channels)
    for (int32_t p = 0; p < out_channels; p += PANEL)
      for (int32_t c = 0; c < shape.depth; ++c, to += PANEL) {
        const int32_t width = std::min(PANEL, out_channels - p);
        std::memcpy(to, kernel + int64_t(c) * out_channels + p, width * sizeof(float));
        std::fill(to + width, to + PANEL, 0.f);
      }
}

// sum (rows, padded(out_channels)) += every pair of the block
void add_pairs(const Convolution& c, const float* input, int64_t begin, int32_t rows, Pairs<BLOCK>& pairs, float* sum) {
  const int32_t width = padded(c.out_channels);
  pairs.list(c.table, c.volume, 0, c.volume, begin, rows, c.table ? int32_t(c.num_inputs) : -1);
  const float* w = static_cast<const float*>(c.packed);
  for (int32_t k = 0; k < c.volume; ++k)
    for (int32_t p = 0; p < width; p += PANEL, w += int64_t(c.in_channels) * PANEL) {
      const int32_t *in = &pairs.input[int64_t(k) * BLOCK], *at = &pairs.row[int64_t(k) * BLOCK];
      for (int32_t i = 0, n = pairs.count[k]; i < n; i += ROWS) {
        const int32_t tile = std::min(ROWS, n - i);
        const float* x[ROWS];
        float* y[ROWS];
        for (int32_t r = 0; r < tile; ++r) {
          x[r] = input + int64_t(in[i + r]) * c.in_channels;
          y[r] = sum + int64_t(at[i + r]) * width + p;
        }
        multiply_upto<ROWS>(tile, x, y, w, c.in_channels);
      }
    }
}

// The same for few channels: a row's neighbours side by side, zeros where there is none, are one long row.
void add_rows(const Convolution& c, const float* input, int64_t begin, int32_t rows, std::vector<float>& memory, float* sum) {
  const int32_t width = padded(c.out_channels), channels = c.in_channels, depth = c.volume * channels;
  float* wide = scratch(memory, size_t(ROWS) * depth);
  for (int32_t i = 0; i < rows; i += ROWS) {
    const int32_t tile = std::min(ROWS, rows - i);
    const float* x[ROWS];
    float* y[ROWS];
    for (int32_t r = 0; r < tile; ++r) {
      float* to = wide + int64_t(r) * depth;
      x[r] = to;
      for (int32_t k = 0; k < c.volume; ++k, to += channels) {
        const int64_t row = begin + i + r, neighbour = c.table ? c.table[row * c.volume + k] : row;
        if (c.table && neighbour == c.num_inputs)
          std::fill(to, to + channels, 0.f);
        else
          std::copy_n(input + neighbour * channels, channels, to);
      }
    }
    const float* w = static_cast<const float*>(c.packed);
    for (int32_t p = 0; p < width; p += PANEL, w += int64_t(depth) * PANEL) {
      for (int32_t r = 0; r < tile; ++r) y[r] = sum + int64_t(i + r) * width + p;
      multiply_upto<ROWS>(tile, x, y, w, depth);
    }
  }
}

void finish(const Convolution& c, const float* sum, int64_t row) {
  const int64_t at = row * c.out_channels;
  const float* shortcut = c.shortcut ? static_cast<const float*>(c.shortcut) + at : nullptr;
  float* output = static_cast<float*>(c.output) + at;
  for (int32_t j = 0; j < c.out_channels; ++j) {
    float value = sum[j];
    if (c.bias) value += c.bias[j];
    if (shortcut) value += shortcut[j];
    output[j] = c.relu ? std::max(value, 0.f) : value;
  }
}

void convolve(const Convolution& c) {
  const int32_t width = padded(c.out_channels), step = block_rows(c.num_outputs, c.threads);
  const float* input = static_cast<const float*>(c.input);
#pragma omp parallel for schedule(dynamic, 1) num_threads(c.threads)
  for (int64_t begin = 0; begin < c.num_outputs; begin += step) {
    static thread_local std::vector<float> sums, wide;
    static thread_local Pairs<BLOCK> pairs;
    const int32_t rows = int32_t(std::min<int64_t>(step, c.num_outputs - begin));
    float* sum = scratch(sums, size_t(BLOCK) * width);
    std::fill(sum, sum + int64_t(rows) * width, 0.f);
    if (c.in_channels > FEW)
      add_pairs(c, input, begin, rows, pairs, sum);
    else
      add_rows(c, input, begin, rows, wide, sum);
    for (int32_t r = 0; r < rows; ++r) finish(c, sum + int64_t(r) * width, begin + r);
  }
}

// Every thread goes through all blocks, which stay in the cache while its strips use them.
void kernel_gradient(const KernelGradient& g) {
  const float *input = static_cast<const float*>(g.input), *all_gradients = static_cast<const float*>(g.gradient);
  const int32_t width = padded(g.out_channels);
  const Shares shares(g, STRIP);
  const int32_t strips = shares.strips();
  std::fill_n(g.kernel, int64_t(g.volume) * g.in_channels * g.out_channels, 0.f);
#pragma omp parallel for schedule(static, 1) num_threads(g.threads)
  for (int32_t t = 0; t < g.threads; ++t) {
    static thread_local std::vector<float> gradients, sums;
    static thread_local std::vector<const float*> pointers;
    static thread_local Pairs<BLOCK> pairs;
    const int32_t first = shares.first(t), last = shares.first(t + 1);
    if (first == last) continue;
    const int32_t first_offset = first / strips, last_offset = (last - 1) / strips + 1;
    float* sum = scratch(sums, size_t(last_offset - first_offset) * g.in_channels * width);
    std::fill(sum, sum + size_t(last_offset - first_offset) * g.in_channels * width, 0.f);
    float* gradient = scratch(gradients, size_t(BLOCK) * width);
    const float **x = scratch(pointers, 2 * BLOCK), **y = x + BLOCK;
    for (int64_t begin = 0; begin < g.num_outputs; begin += BLOCK) {
      const int32_t rows = int32_t(std::min<int64_t>(BLOCK, g.num_outputs - begin));
      for (int32_t r = 0; r < rows; ++r) {
        std::copy_n(all_gradients + (begin + r) * g.out_channels, g.out_channels, gradient + int64_t(r) * width);
        std::fill(gradient + int64_t(r) * width + g.out_channels, gradient + int64_t(r + 1) * width, 0.f);
      }
      pairs.list(g.table, g.volume, first_offset, last_offset, begin, rows, g.table ? int32_t(g.num_inputs) : -1);
      for (int32_t k = first_offset; k < last_offset; ++k) {
        const int32_t n = pairs.count[k];
        for (int32_t p = 0; p < n; ++p) {
          x[p] = input + int64_t(pairs.input[int64_t(k) * BLOCK + p]) * g.in_channels;
          y[p] = gradient + int64_t(pairs.row[int64_t(k) * BLOCK + p]) * width;
        }
        const int32_t begin_strip = std::max(first - k * strips, 0), end_strip = std::min(last - k * strips, strips);
        float* to = sum + int64_t(k - first_offset) * g.in_channels * width;
        for (int32_t s = begin_strip; s < end_strip; ++s) {
          const int32_t channel = s * STRIP, tile = std::min(STRIP, g.in_channels - channel);
          for (int32_t p = 0; p < width; p += PANEL)
            outer_upto<STRIP>(tile, x, y, n, channel, p, to + int64_t(channel) * width + p, width);
        }
      }
    }
    for (int32_t task = first; task < last; ++task) {
      const int32_t k = task / strips, channel = task % strips * STRIP;
      for (int32_t c = channel; c < std::min(channel + STRIP, g.in_channels); ++c)
        std::copy_n(sum + (int64_t(k - first_offset) * g.in_channels + c) * width, g.out_channels,
                    g.kernel + (int64_t(k) * g.in_channels + c) * g.out_channels);
    }
  }
}

extern const Kernels kernels;
const Kernels kernels = {packed_bytes, pack, convolve, kernel_gradient};

}  // namespace SSEN_ISA
}  // namespace ssen
