// Sparse convolution in bfloat16 with sums in float32, on 16 x 16 tiles. Compiled for AMX, and with SSEN_PLAIN_TILES
// for any CPU: slow there, for tests and to see what bfloat16 does to the labels.
//
// 32 rows at a time: their neighbours are laid side by side for every offset that any of the rows has, and all
// sums stay in tiles until the rows are done. `order` brings rows with the same neighbours together, so that few
// of the rows laid out are zeros.
#include "bfloat16.hpp"
#include "convolution.hpp"
#include "watch.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#if !defined(SSEN_PLAIN_TILES)
#include <immintrin.h>
#endif

namespace ssen {
namespace SSEN_ISA {

constexpr int TILE = 16;        // rows and output channels of a tile
constexpr int DEPTH = 32;       // input channels of a tile
constexpr int ROWS = 2 * TILE;  // rows, and output channels, worked on together: 2 x 2 tiles
constexpr int AREA = TILE * DEPTH;

inline int32_t padded(int32_t n) { return (n + 31) / 32 * 32; }

// Four sums of 16 x 16: rows 0-15 and 16-31 by channels 0-15 and 16-31.
#if defined(SSEN_PLAIN_TILES)
class Tiles {
  float sum_[4][TILE * TILE];

 public:
  void clear() { std::memset(sum_, 0, sizeof sum_); }
  void add(const bfloat16* rows, int64_t stride, const bfloat16* low, const bfloat16* high) {
    for (int half = 0; half < 2; ++half)
      for (int side = 0; side < 2; ++side) {
        const bfloat16* w = side ? high : low;
        for (int r = 0; r < TILE; ++r)
          for (int c = 0; c < DEPTH; ++c) {
            const float x = widen(rows[(half * TILE + r) * stride + c]);
            for (int j = 0; j < TILE; ++j)
              sum_[half * 2 + side][r * TILE + j] += x * widen(w[c / 2 * DEPTH + 2 * j + c % 2]);
          }
      }
  }
  void store(float* sums) const { std::memcpy(sums, sum_, sizeof sum_); }
};
#else
class Tiles {
 public:
  Tiles() {
    struct alignas(64) {
      uint8_t palette = 1, start = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    for (int i = 0; i < 8; ++i) shape.rows[i] = TILE, shape.row_bytes[i] = DEPTH * sizeof(bfloat16);
    _tile_loadconfig(&shape);
  }
  ~Tiles() { _tile_release(); }
  void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  void add(const bfloat16* rows, int64_t stride, const bfloat16* low, const bfloat16* high) {
    _tile_loadd(4, rows, stride * sizeof(bfloat16));
    _tile_loadd(5, rows + TILE * stride, stride * sizeof(bfloat16));
    _tile_loadd(6, low, DEPTH * sizeof(bfloat16));
    _tile_loadd(7, high, DEPTH * sizeof(bfloat16));
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  void store(float* sums) const {
    constexpr int64_t bytes = TILE * sizeof(float);
    _tile_stored(0, sums, bytes);
    _tile_stored(1, sums + TILE * TILE, bytes);
    _tile_stored(2, sums + 2 * TILE * TILE, bytes);
    _tile_stored(3, sums + 3 * TILE * TILE, bytes);
  }
};
#endif

// A kernel over few channels is packed as one offset of volume * in_channels channels.
struct Shape {
  int32_t volume, channels, depth;  // depth: channels, to whole tiles
  Shape(int32_t k, int32_t in_channels)
      : volume(in_channels > FEW ? k : 1),
        channels(in_channels > FEW ? in_channels : k * in_channels),
        depth(padded(channels)) {}
};

int64_t packed_bytes(int32_t volume, int32_t in_channels, int32_t out_channels) {
  const Shape shape(volume, in_channels);
  return int64_t(shape.volume) * shape.depth * padded(out_channels) * sizeof(bfloat16);
}

// (volume, in, out) to (volume, out / 16, in / 32, 16, 16, 2): pairs of input channels stand together
void pack(const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels, void* packed) {
  const Shape shape(volume, in_channels);
  bfloat16* to = static_cast<bfloat16*>(packed);
  for (int32_t k = 0; k < shape.volume; ++k)
    for (int32_t j = 0; j < padded(out_channels); j += TILE)
      for (int32_t c = 0; c < shape.depth; c += 2)
        for (int32_t i = 0; i < 2 * TILE; ++i, ++to) {
          const int32_t in = c + i % 2, out = j + i / 2;
          const bool inside = in < shape.channels && out < out_channels;
          narrow(inside ? kernel[(int64_t(k) * shape.channels + in) * out_channels + out] : 0.f, *to);
        }
}

// The offsets that any of the rows has, and (offset, ROWS, depth) neighbours, zeros where there is none.
int32_t lay_out(const Convolution& c, const Shape& shape, const int32_t* row, int32_t rows, int32_t* offsets,
                bfloat16* to) {
  const bfloat16* input = static_cast<const bfloat16*>(c.input);
  auto neighbour = [&](int32_t r, int32_t k) -> const bfloat16* {
    if (!c.table) return input + int64_t(row[r]) * c.in_channels;
    const int64_t i = c.table[int64_t(row[r]) * c.volume + k];
    return i == c.num_inputs ? nullptr : input + i * c.in_channels;
  };
  const size_t bytes = c.in_channels * sizeof(bfloat16);
  std::memset(to, 0, size_t(ROWS) * shape.depth * sizeof(bfloat16));
  if (c.in_channels <= FEW) {
    for (int32_t r = 0; r < rows; ++r)
      for (int32_t k = 0; k < c.volume; ++k)
        if (const bfloat16* from = neighbour(r, k))
          std::memcpy(to + int64_t(r) * shape.depth + k * c.in_channels, from, bytes);
    offsets[0] = 0;
    return 1;
  }
  int32_t count = 0;
  for (int32_t k = 0; k < c.volume; ++k) {
    bool any = false;
    for (int32_t r = 0; r < rows; ++r)
      if (const bfloat16* from = neighbour(r, k)) std::memcpy(to + int64_t(r) * shape.depth, from, bytes), any = true;
    if (!any) continue;
    offsets[count++] = k;
    to += int64_t(ROWS) * shape.depth;
    if (count < c.volume) std::memset(to, 0, size_t(ROWS) * shape.depth * sizeof(bfloat16));
  }
  return count;
}

void finish(const Convolution& c, const float* sums, const int32_t* row, int32_t rows, int32_t channel) {
  const int32_t channels = std::min(ROWS, c.out_channels - channel);
  for (int32_t r = 0; r < rows; ++r) {
    const int64_t at = int64_t(row[r]) * c.out_channels + channel;
    const bfloat16* shortcut = c.shortcut ? static_cast<const bfloat16*>(c.shortcut) + at : nullptr;
    bfloat16* output = static_cast<bfloat16*>(c.output) + at;
    for (int32_t j = 0; j < channels; ++j) {
      float value = sums[(r / TILE * 2 + j / TILE) * TILE * TILE + r % TILE * TILE + j % TILE];
      if (c.bias) value += c.bias[channel + j];
      if (shortcut) value += widen(shortcut[j]);
      narrow(c.relu ? std::max(value, 0.f) : value, output[j]);
    }
  }
}

bool convolve(const Convolution& c) {
  const volatile int32_t* const flag = watched();
  bool fits = true;
  const Shape shape(c.volume, c.in_channels);
  const bfloat16* packed = static_cast<const bfloat16*>(c.packed);
  const int32_t width = padded(c.out_channels);
  const int64_t kernel = int64_t(width) * shape.depth;  // of one offset
#pragma omp parallel num_threads(c.threads)
  {
    static thread_local std::vector<bfloat16> neighbours;
    static thread_local std::vector<int32_t> numbers;
    bfloat16* laid = nullptr;
    int32_t* offsets = nullptr;
    try {
      laid = scratch(neighbours, size_t(shape.volume) * ROWS * shape.depth);
      offsets = scratch(numbers, size_t(shape.volume));
    } catch (const std::bad_alloc&) {
#pragma omp atomic write
      fits = false;
    }
    alignas(64) float sums[4 * TILE * TILE];
    Tiles tiles;
#pragma omp for schedule(dynamic, 4)
    for (int64_t begin = 0; begin < c.num_outputs; begin += ROWS) {
      if (given_up(flag) || !laid || !offsets) continue;
      const int32_t rows = int32_t(std::min<int64_t>(ROWS, c.num_outputs - begin));
      int32_t row[ROWS];
      for (int32_t r = 0; r < rows; ++r) row[r] = c.order ? c.order[begin + r] : int32_t(begin + r);
      const int32_t count = lay_out(c, shape, row, rows, offsets, laid);
      for (int32_t p = 0; p < width; p += ROWS) {
        tiles.clear();
        for (int32_t n = 0; n < count; ++n) {
          const bfloat16* x = laid + int64_t(n) * ROWS * shape.depth;
          const bfloat16 *low = packed + offsets[n] * kernel + int64_t(p) * shape.depth,
                         *high = low + int64_t(TILE) * shape.depth;
          for (int32_t d = 0; d < shape.depth; d += DEPTH, low += AREA, high += AREA)
            tiles.add(x + d, shape.depth, low, high);
        }
        tiles.store(sums);
        finish(c, sums, row, rows, p);
      }
    }
  }
  return fits;
}

// The pairs of one offset in one block, as tiles read them: inputs (channel, pair), gradients (channel / 16,
// pair / 32, 16, 16, 2), zeros to whole tiles. Returns the number of pairs, to whole tiles.
int32_t lay_out_pairs(const KernelGradient& g, const Pair* pair, int32_t count, int64_t begin, bfloat16* inputs,
                      bfloat16* gradients) {
  const bfloat16 *input = static_cast<const bfloat16*>(g.input), *gradient = static_cast<const bfloat16*>(g.gradient);
  const int32_t pairs = padded(count), width = padded(g.out_channels);
  std::memset(inputs, 0, size_t(padded(g.in_channels)) * pairs * sizeof(bfloat16));
  std::memset(gradients, 0, size_t(width) * pairs * sizeof(bfloat16));
  for (int32_t p = 0; p < count; ++p) {
    const bfloat16* x = input + int64_t(pair[p].input()) * g.in_channels;
    for (int32_t c = 0; c < g.in_channels; ++c) inputs[int64_t(c) * pairs + p] = x[c];
    const bfloat16* y = gradient + (begin + pair[p].row()) * g.out_channels;
    bfloat16* to = gradients + p / DEPTH * AREA + p % DEPTH / 2 * DEPTH + p % 2;
    for (int32_t j = 0; j < g.out_channels; ++j) to[int64_t(j / TILE) * TILE * pairs + j % TILE * 2] = y[j];
  }
  return pairs;
}

// Every thread goes through all blocks, which stay in the cache while its strips use them.
void kernel_gradient(const KernelGradient& g) {
  constexpr int BLOCK = 256;
  const int32_t width = padded(g.out_channels), depth = padded(g.in_channels);
  const Shares shares(g, ROWS);
  const int32_t strips = shares.strips();
  std::fill_n(g.kernel, int64_t(g.volume) * g.in_channels * g.out_channels, 0.f);
#pragma omp parallel for schedule(static, 1) num_threads(g.threads)
  for (int32_t t = 0; t < g.threads; ++t) {
    static thread_local std::vector<bfloat16> inputs, gradients;
    static thread_local Pairs<BLOCK> pairs;
    alignas(64) float sums[4 * TILE * TILE];
    const int32_t first = shares.first(t), last = shares.first(t + 1);
    if (first == last) continue;
    Tiles tiles;
    bfloat16 *x = scratch(inputs, size_t(depth) * BLOCK), *y = scratch(gradients, size_t(width) * BLOCK);
    for (int64_t begin = 0; begin < g.num_outputs; begin += BLOCK) {
      const int32_t rows = int32_t(std::min<int64_t>(BLOCK, g.num_outputs - begin));
      pairs.list(g.table, g.volume, first / strips, (last - 1) / strips + 1, begin, rows,
                 g.table ? int32_t(g.num_inputs) : -1);
      int32_t laid = -1, count = 0;  // the offset that is laid out, and its pairs
      for (int32_t task = first; task < last; ++task) {
        const int32_t k = task / strips, channel = task % strips * ROWS;
        if (!pairs.count(k)) continue;
        if (laid != k) {
          count = lay_out_pairs(g, pairs.of(k), pairs.count(k), begin, x, y);
          laid = k;
        }
        for (int32_t p = 0; p < width; p += ROWS) {
          tiles.clear();
          const bfloat16 *low = y + int64_t(p) * count, *high = low + int64_t(TILE) * count;
          for (int32_t d = 0; d < count; d += DEPTH, low += AREA, high += AREA)
            tiles.add(x + int64_t(channel) * count + d, count, low, high);
          tiles.store(sums);
          for (int32_t c = 0; c < std::min(ROWS, g.in_channels - channel); ++c)
            for (int32_t j = 0; j < std::min(ROWS, g.out_channels - p); ++j)
              g.kernel[(int64_t(k) * g.in_channels + channel + c) * g.out_channels + p + j] +=
                  sums[(c / TILE * 2 + j / TILE) * TILE * TILE + c % TILE * TILE + j % TILE];
        }
      }
    }
  }
}

extern const Kernels kernels;
const Kernels kernels = {packed_bytes, pack, convolve, kernel_gradient};

}  // namespace SSEN_ISA
}  // namespace ssen
