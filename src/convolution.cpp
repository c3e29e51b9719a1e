// Sparse convolution in float32, and with SSEN_BFLOAT16 in bfloat16 with sums in float32. Compiled once for each
// instruction set, with SSEN_ISA naming it and the compiler's flags choosing it; vectors are the compiler's own, so
// there is one source for all.
//
// Rows are worked on in blocks whose sums stay in the cache. For each kernel offset the rows of a block that have
// a neighbour there are listed, and a register tile of ROWS rows times PANEL channels runs down that list: only
// pairs that exist are multiplied, and nothing is gathered or scattered through memory.
#include "convolution.hpp"
#include "bfloat16.hpp"
#include "watch.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#if defined(SSEN_BFLOAT16)
#include <immintrin.h>
#endif

namespace ssen {
namespace SSEN_ISA {
namespace {

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
constexpr int PANEL = VECTORS * WIDTH;  // output channels of a register tile; the last may have one vector
constexpr int BLOCK = 256;              // most rows of a block
constexpr int GRADIENT_BLOCK = 512;     // more, for each block goes through all sums of the kernel's gradient

typedef float vec __attribute__((vector_size(WIDTH * sizeof(float)), aligned(sizeof(float)), may_alias));

inline vec load(const void* p) { return *static_cast<const vec*>(p); }
inline void store(float* p, vec v) { *reinterpret_cast<vec*>(p) = v; }

// One lane of a vector holds a sum, or the GROUP values that one instruction multiplies and adds to it.
#if defined(SSEN_BFLOAT16)
typedef bfloat16 element;
constexpr int GROUP = 2;
inline vec broadcast(const element* p) {
  int32_t pair;
  std::memcpy(&pair, p, sizeof pair);
  return vec(_mm512_set1_epi32(pair));
}
inline void add_product(vec& sum, vec a, vec b) { sum = vec(_mm512_dpbf16_ps(__m512(sum), __m512bh(a), __m512bh(b))); }
#else
typedef float element;
constexpr int GROUP = 1;
inline vec broadcast(const element* p) { return *p - vec{}; }
inline void add_product(vec& sum, vec a, vec b) { sum += a * b; }
#endif

inline int32_t up_to(int32_t multiple, int32_t n) { return (n + multiple - 1) / multiple * multiple; }
inline int32_t padded(int32_t channels) { return up_to(WIDTH, channels); }

// sum[r] += x[r] * w for R rows and V vectors; w (depth / GROUP, V * WIDTH, GROUP)
template <int R, int V>
inline void multiply(const element* const* x, float* const* sum, const element* w, int32_t depth) {
  vec acc[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) acc[r][v] = load(sum[r] + v * WIDTH);
  for (int32_t c = 0; c < depth; c += GROUP, w += V * WIDTH * GROUP) {
    const vec b0 = load(w), b1 = load(w + (V - 1) * WIDTH * GROUP);
    for (int r = 0; r < R; ++r) {
      const vec a = broadcast(x[r] + c);
      add_product(acc[r][0], b0, a);
      if constexpr (V > 1) add_product(acc[r][1], b1, a);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store(sum[r] + v * WIDTH, acc[r][v]);
}

// The same for any number of rows up to R, and for `width` of one or two vectors.
template <int R>
inline void multiply_upto(int rows, int width, const element* const* x, float* const* sum, const element* w,
                          int32_t depth) {
  if (rows == R)
    (width < PANEL ? multiply<R, 1> : multiply<R, VECTORS>)(x, sum, w, depth);
  else if constexpr (R > 1)
    multiply_upto<R - 1>(rows, width, x, sum, w, depth);
}

// kernel[r] (V vectors, rows `stride` apart) += sum over n groups of pairs of x[p][r] * g[p], from there on in both
template <int R, int V>
[[gnu::noinline]] void outer(const element* const* x, int32_t x_at, const element* const* g, int32_t g_at, int32_t n,
                             float* kernel, int64_t stride) {
  vec acc[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) acc[r][v] = load(kernel + r * stride + v * WIDTH);
  for (int32_t p = 0; p < n; ++p) {
    const element *from = x[p] + x_at, *to = g[p] + g_at;
    const vec b0 = load(to), b1 = load(to + (V - 1) * WIDTH * GROUP);
    for (int r = 0; r < R; ++r) {
      const vec a = broadcast(from + r * GROUP);
      add_product(acc[r][0], b0, a);
      if constexpr (V > 1) add_product(acc[r][1], b1, a);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) store(kernel + r * stride + v * WIDTH, acc[r][v]);
}

template <int R>
inline void outer_upto(int rows, int width, const element* const* x, int32_t x_at, const element* const* g,
                       int32_t g_at, int32_t n, float* kernel, int64_t stride) {
  if (rows == R)
    (width < PANEL ? outer<R, 1> : outer<R, VECTORS>)(x, x_at, g, g_at, n, kernel, stride);
  else if constexpr (R > 1)
    outer_upto<R - 1>(rows, width, x, x_at, g, g_at, n, kernel, stride);
}

// Blocks small enough that every thread gets several.
int32_t block_rows(int64_t rows, int32_t threads) {
  const int64_t share = rows / (int64_t(threads) * 4) / ROWS * ROWS;
  return int32_t(std::clamp<int64_t>(share, 8 * ROWS, BLOCK));
}

// Whether rows are multiplied where they lie; else the neighbours of a row are laid side by side.
bool in_place(int32_t channels) { return channels > FEW && channels % GROUP == 0; }

// A kernel whose neighbours are laid side by side is packed as one offset of volume * in_channels channels.
struct Shape {
  int32_t volume, channels, depth;  // depth: channels, to whole groups
  Shape(int32_t k, int32_t in_channels)
      : volume(in_place(in_channels) ? k : 1),
        channels(in_place(in_channels) ? in_channels : k * in_channels),
        depth(up_to(GROUP, channels)) {}
};

int64_t packed_bytes(int32_t volume, int32_t in_channels, int32_t out_channels) {
  const Shape shape(volume, in_channels);
  return int64_t(shape.volume) * shape.depth * padded(out_channels) * sizeof(element);
}

// GROUP rows as one, the values of a channel side by side, zeros from `channels` up to `width`
inline const element* interleave(const element* const* rows, int32_t channels, int32_t width, element* __restrict to) {
  const element *first = rows[0], *last = rows[GROUP - 1];
  for (int32_t c = 0; c < channels; ++c) to[c * GROUP] = first[c], to[c * GROUP + GROUP - 1] = last[c];
  std::fill(to + int64_t(channels) * GROUP, to + int64_t(width) * GROUP, element(0));
  return to;
}

// (volume, in, out) to (volume, out / PANEL, in / GROUP, PANEL, GROUP), zeros beyond both
void pack(const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels, void* packed) {
  const Shape shape(volume, in_channels);
  element* to = static_cast<element*>(packed);
  for (int32_t k = 0; k < shape.volume; ++k, kernel += int64_t(shape.channels) * out_channels)
    for (int32_t p = 0; p < out_channels; p += PANEL) {
      const int32_t panel = std::min(PANEL, padded(out_channels) - p), width = std::min(PANEL, out_channels - p);
      for (int32_t c = 0; c < shape.depth; c += GROUP, to += panel * GROUP) {
        element row[GROUP][PANEL] = {};
        for (int32_t i = 0; i < std::min(GROUP, shape.channels - c); ++i)
          for (int32_t j = 0; j < width; ++j) narrow(kernel[int64_t(c + i) * out_channels + p + j], row[i][j]);
        const element* rows[] = {row[0], row[GROUP - 1]};
        interleave(rows, panel, panel, to);
      }
    }
}

// sum (rows, padded(out_channels)) += every pair of the block
void add_pairs(const Convolution& c, const element* input, int64_t begin, int32_t rows, Pairs<BLOCK>& pairs,
               float* sum) {
  const int32_t width = padded(c.out_channels);
  pairs.list(c.table, c.volume, 0, c.volume, begin, rows, c.table ? int32_t(c.num_inputs) : -1);
  const element* w = static_cast<const element*>(c.packed);
  for (int32_t k = 0; k < c.volume; ++k)
    for (int32_t p = 0, panel; p < width; p += PANEL, w += int64_t(c.in_channels) * panel) {
      panel = std::min(PANEL, width - p);
      const Pair* pair = pairs.of(k);
      for (int32_t i = 0, n = pairs.count(k); i < n; i += ROWS, pair += ROWS) {
        const int32_t tile = std::min(ROWS, n - i);
        const element* x[ROWS];
        float* y[ROWS];
        for (int32_t r = 0; r < tile; ++r) {
          x[r] = input + int64_t(pair[r].input()) * c.in_channels;
          y[r] = sum + int64_t(pair[r].row()) * width + p;
        }
        multiply_upto<ROWS>(tile, panel, x, y, w, c.in_channels);
      }
    }
}

// The same where a row's neighbours, laid side by side with zeros where there is none, are one long row.
void add_rows(const Convolution& c, const element* input, int64_t begin, int32_t rows, std::vector<element>& memory,
              float* sum) {
  const int32_t width = padded(c.out_channels), channels = c.in_channels, depth = Shape(c.volume, channels).depth;
  const int32_t step = std::max(FEW, channels);
  element *wide = scratch(memory, size_t(ROWS) * depth + 2 * step), *zeros = wide + size_t(ROWS) * depth + step;
  std::fill_n(zeros, step, element(0));
  // A copy of constant size is quick. What it copies too much lies within the input, and the next copy overwrites it.
  const bool few = channels <= FEW;
  for (int32_t i = 0; i < rows; i += ROWS) {
    const int32_t tile = std::min(ROWS, rows - i);
    const element* x[ROWS];
    float* y[ROWS];
    for (int32_t r = 0; r < tile; ++r) {
      element* to = wide + int64_t(r) * depth;
      x[r] = to;
      for (int32_t k = 0; k < c.volume; ++k, to += channels) {
        const int64_t row = begin + i + r, neighbour = c.table ? c.table[row * c.volume + k] : row;
        const bool missing = c.table && neighbour == c.num_inputs;
        const element* from = missing ? zeros : input + neighbour * channels;
        if (few && (missing || neighbour < c.num_inputs - FEW))
          std::memcpy(to, from, FEW * sizeof(element));
        else
          std::copy_n(from, channels, to);
      }
      std::fill(to, wide + int64_t(r + 1) * depth, element(0));
    }
    const element* w = static_cast<const element*>(c.packed);
    for (int32_t p = 0, panel; p < width; p += PANEL, w += int64_t(depth) * panel) {
      panel = std::min(PANEL, width - p);
      for (int32_t r = 0; r < tile; ++r) y[r] = sum + int64_t(i + r) * width + p;
      multiply_upto<ROWS>(tile, panel, x, y, w, depth);
    }
  }
}

// One simple loop for each step, which every compiler makes into vectors; the sums stay in the nearest cache.
void finish(const Convolution& c, float* __restrict sum, int64_t row) {
  const int64_t at = row * c.out_channels;
  element* __restrict output = static_cast<element*>(c.output) + at;
  if (const float* bias = c.bias)
    for (int32_t j = 0; j < c.out_channels; ++j) sum[j] += bias[j];
  if (c.shortcut) {
    const element* shortcut = static_cast<const element*>(c.shortcut) + at;
    for (int32_t j = 0; j < c.out_channels; ++j) sum[j] += widen(shortcut[j]);
  }
  if (c.relu)
    for (int32_t j = 0; j < c.out_channels; ++j) sum[j] = std::max(sum[j], 0.f);
  for (int32_t j = 0; j < c.out_channels; ++j) narrow(sum[j], output[j]);
}

bool convolve(const Convolution& c) {
  const int32_t width = padded(c.out_channels), step = block_rows(c.num_outputs, c.threads);
  const element* input = static_cast<const element*>(c.input);
  const volatile int32_t* const flag = watched();
  bool fits = true;
#pragma omp parallel for schedule(dynamic, 1) num_threads(c.threads)
  for (int64_t begin = 0; begin < c.num_outputs; begin += step) {
    if (given_up(flag)) continue;
    static thread_local std::vector<float> sums;
    static thread_local std::vector<element> wide;
    static thread_local Pairs<BLOCK> pairs;
    const int32_t rows = int32_t(std::min<int64_t>(step, c.num_outputs - begin));
    try {
      float* sum = scratch(sums, size_t(BLOCK) * width);
      std::fill(sum, sum + int64_t(rows) * width, 0.f);
      if (in_place(c.in_channels))
        add_pairs(c, input, begin, rows, pairs, sum);
      else
        add_rows(c, input, begin, rows, wide, sum);
      for (int32_t r = 0; r < rows; ++r) finish(c, sum + int64_t(r) * width, begin + r);
    } catch (const std::bad_alloc&) {  // must not leave the thread
#pragma omp atomic write
      fits = false;
    }
  }
  return fits;
}

// Every thread goes through all blocks, which stay in the cache while its strips use them.
void kernel_gradient(const KernelGradient& g) {
  const element *input = static_cast<const element*>(g.input), *gradient = static_cast<const element*>(g.gradient);
  const int32_t width = padded(g.out_channels), depth = g.in_channels;
  const bool x_lies_right = GROUP == 1, y_lies_right = GROUP == 1 && width == g.out_channels;
  const std::vector<element> zeros(std::max(depth, g.out_channels), element(0));
  const Shares shares(g, STRIP);
  const int32_t strips = shares.strips();
  std::fill_n(g.kernel, int64_t(g.volume) * depth * g.out_channels, 0.f);
#pragma omp parallel for schedule(static, 1) num_threads(g.threads)
  for (int32_t t = 0; t < g.threads; ++t) {
    static thread_local std::vector<float> sums;
    static thread_local std::vector<element> inputs, gradients;
    const element *x[GRADIENT_BLOCK], *y[GRADIENT_BLOCK];
    static thread_local Pairs<GRADIENT_BLOCK> pairs;
    const int32_t first = shares.first(t), last = shares.first(t + 1);
    if (first == last) continue;
    const int32_t first_offset = first / strips, last_offset = (last - 1) / strips + 1;
    float* sum = scratch(sums, size_t(last_offset - first_offset) * depth * width);
    std::fill(sum, sum + size_t(last_offset - first_offset) * depth * width, 0.f);
    element *laid_x = scratch(inputs, size_t(GRADIENT_BLOCK) * depth),
            *laid_y = scratch(gradients, size_t(GRADIENT_BLOCK) * width);
    for (int64_t begin = 0; begin < g.num_outputs; begin += GRADIENT_BLOCK) {
      const int32_t rows = int32_t(std::min<int64_t>(GRADIENT_BLOCK, g.num_outputs - begin));
      pairs.list(g.table, g.volume, first_offset, last_offset, begin, rows, g.table ? int32_t(g.num_inputs) : -1);
      for (int32_t k = first_offset; k < last_offset; ++k) {
        const Pair* pair = pairs.of(k);
        const int32_t count = pairs.count(k), groups = (count + GROUP - 1) / GROUP;
        for (int32_t p = 0; p < groups; ++p) {
          const element *a[GROUP], *b[GROUP];
          for (int32_t i = 0; i < GROUP; ++i) {
            const bool there = p * GROUP + i < count;
            const Pair& both = pair[p * GROUP + i];
            a[i] = there ? input + int64_t(both.input()) * depth : zeros.data();
            b[i] = there ? gradient + (begin + both.row()) * g.out_channels : zeros.data();
          }
          x[p] = x_lies_right ? a[0] : interleave(a, depth, depth, laid_x + int64_t(p) * GROUP * depth);
          y[p] = y_lies_right ? b[0] : interleave(b, g.out_channels, width, laid_y + int64_t(p) * GROUP * width);
        }
        const int32_t begin_strip = std::max(first - k * strips, 0), end_strip = std::min(last - k * strips, strips);
        float* to = sum + int64_t(k - first_offset) * depth * width;
        for (int32_t s = begin_strip; s < end_strip; ++s) {
          const int32_t channel = s * STRIP, tile = std::min(STRIP, depth - channel);
          for (int32_t p = 0; p < width; p += PANEL)
            outer_upto<STRIP>(tile, width - p, x, channel * GROUP, y, p * GROUP, groups,
                              to + int64_t(channel) * width + p, width);
        }
      }
    }
    for (int32_t task = first; task < last; ++task) {
      const int32_t k = task / strips, channel = task % strips * STRIP;
      for (int32_t c = channel; c < std::min(channel + STRIP, depth); ++c)
        std::copy_n(sum + (int64_t(k - first_offset) * depth + c) * width, g.out_channels,
                    g.kernel + (int64_t(k) * depth + c) * g.out_channels);
    }
  }
}

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {packed_bytes, pack, convolve, kernel_gradient};

}  // namespace SSEN_ISA
}  // namespace ssen
