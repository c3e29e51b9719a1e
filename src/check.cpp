// Checks every kernel that this CPU has against plain loops in double: `cmake -S src -B B -DSSEN_CHECK=ON`, then
// `B/ssen_check`. It needs no Python, so that it runs under an emulator too (scripts/check_aarch64.sh).
#include "bfloat16.hpp"
#include "convolution.hpp"

#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

extern "C" {
int32_t ssen_interface();
const char* ssen_isa_name(int32_t set);
int32_t ssen_isa_supported(int32_t set);
int64_t ssen_packed_bytes(int32_t set, int32_t volume, int32_t in_channels, int32_t out_channels);
void ssen_pack(int32_t set, const float* kernel, int32_t volume, int32_t in_channels, int32_t out_channels,
               void* packed);
void ssen_convolve(int32_t set, const ssen::Convolution* arguments);
void ssen_kernel_gradient(int32_t set, const ssen::KernelGradient* arguments);
void ssen_find_neighbours(const int64_t* keys, int64_t count, const int64_t* base, int64_t rows, const int64_t* step,
                          int32_t columns, int32_t depth, int32_t* table, int32_t threads);
void ssen_transpose(const int32_t* table, int64_t outputs, int64_t inputs, int32_t volume, int32_t* transposed,
                    int32_t threads);
int32_t ssen_hdbscan(const float* points, int64_t n, int32_t d, int64_t min_cluster_size, int32_t min_samples,
                     int32_t effort, int32_t threads, int32_t* label, float* probability);
}

namespace {

std::mt19937 engine(0);
int failures = 0;

void expect(bool holds, const std::string& what) {
  std::printf("%s %s\n", holds ? "ok  " : "FAIL", what.c_str());
  failures += !holds;
}

std::vector<float> normal(size_t count) {
  std::normal_distribution<float> draw;
  std::vector<float> values(count);
  for (float& value : values) value = draw(engine);
  return values;
}

// Largest difference, relative to the largest value (at least 1).
double difference(const std::vector<float>& ours, const std::vector<double>& expected) {
  double scale = 1, most = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    scale = std::max(scale, std::fabs(expected[i]));
    most = std::max(most, std::fabs(ours[i] - expected[i]));  // a NaN is not kept by max
    if (!std::isfinite(ours[i])) return INFINITY;
  }
  return most / scale;
}

constexpr int64_t X = int64_t(1) << 40, Y = int64_t(1) << 20;
constexpr int32_t VOLUME = 27;

// Voxels of a rough surface, and for each its 27 neighbours, found by a map.
struct Scene {
  std::vector<int64_t> keys;
  std::vector<int32_t> table;  // (count, VOLUME), offset k = z * 9 + x * 3 + y

  explicit Scene(int size) {
    std::set<int64_t> voxels;
    std::uniform_int_distribution<int> height(5, 8);
    for (int x = 1; x <= size; ++x)
      for (int y = 1; y <= size; ++y)
        for (int i = 0; i < 2; ++i) voxels.insert(x * X + y * Y + height(engine));
    keys.assign(voxels.begin(), voxels.end());
    std::map<int64_t, int32_t> row;
    for (size_t i = 0; i < keys.size(); ++i) row[keys[i]] = int32_t(i);
    for (const int64_t key : keys)
      for (int32_t k = 0; k < VOLUME; ++k) {
        const auto found = row.find(key + (k % 9 / 3 - 1) * X + (k % 3 - 1) * Y + k / 9 - 1);
        table.push_back(found == row.end() ? int32_t(keys.size()) : found->second);
      }
  }
  int64_t count() const { return int64_t(keys.size()); }
};

void check_tables(const Scene& scene, int32_t threads) {
  std::vector<int64_t> base, step;
  for (const int64_t key : scene.keys) base.push_back(key - X - Y - 1);
  for (int c = 0; c < 9; ++c) step.push_back(c / 3 * X + c % 3 * Y);
  std::vector<int32_t> table(scene.table.size()), transposed(scene.table.size()), expected(scene.table.size());
  ssen_find_neighbours(scene.keys.data(), scene.count(), base.data(), scene.count(), step.data(), 9, 3, table.data(),
                       threads);
  expect(table == scene.table, "neighbour table, " + std::to_string(threads) + " threads");

  std::fill(expected.begin(), expected.end(), int32_t(scene.count()));
  for (int64_t o = 0; o < scene.count(); ++o)
    for (int32_t k = 0; k < VOLUME; ++k)
      if (const int32_t input = scene.table[o * VOLUME + k]; input != scene.count())
        expected[input * VOLUME + k] = int32_t(o);
  ssen_transpose(scene.table.data(), scene.count(), scene.count(), VOLUME, transposed.data(), threads);
  expect(transposed == expected, "transposed table, " + std::to_string(threads) + " threads");
}

// `values` in the type that the kernels take; rounded in place to what that type holds.
std::vector<char> as_elements(std::vector<float>& values, bool bfloat) {
  std::vector<char> bytes(values.size() * (bfloat ? 2 : 4));
  for (size_t i = 0; i < values.size(); ++i)
    if (bfloat) {
      ssen::bfloat16 half;
      ssen::narrow(values[i], half);
      values[i] = ssen::widen(half);
      std::memcpy(&bytes[2 * i], &half, 2);
    } else {
      std::memcpy(&bytes[4 * i], &values[i], 4);
    }
  return bytes;
}

std::vector<float> as_floats(const std::vector<char>& bytes, bool bfloat) {
  std::vector<float> values(bytes.size() / (bfloat ? 2 : 4));
  for (size_t i = 0; i < values.size(); ++i)
    if (bfloat) {
      ssen::bfloat16 half;
      std::memcpy(&half, &bytes[2 * i], 2);
      values[i] = ssen::widen(half);
    } else {
      std::memcpy(&values[i], &bytes[4 * i], 4);
    }
  return values;
}

void check_convolution(int32_t set, const Scene& scene, int32_t in, int32_t out, bool fused, int32_t threads) {
  const std::string name = ssen_isa_name(set);
  const bool bfloat = name == "amx" || name == "plain_tiles" || name == "avx512_bf16";
  const int64_t rows = scene.count();
  std::vector<float> x = normal(rows * in), kernel = normal(size_t(VOLUME) * in * out), bias = normal(out),
                     shortcut = normal(rows * out), gradient = normal(rows * out);
  as_elements(kernel, bfloat);
  const std::vector<char> input = as_elements(x, bfloat), added = as_elements(shortcut, bfloat),
                          slope = as_elements(gradient, bfloat);
  std::vector<char> packed(ssen_packed_bytes(set, VOLUME, in, out)), output(added.size());
  ssen_pack(set, kernel.data(), VOLUME, in, out, packed.data());
  const ssen::Convolution convolution{input.data(),
                                      scene.table.data(),
                                      nullptr,
                                      packed.data(),
                                      fused ? bias.data() : nullptr,
                                      fused ? added.data() : nullptr,
                                      output.data(),
                                      rows,
                                      rows,
                                      VOLUME,
                                      in,
                                      out,
                                      fused,
                                      threads};
  ssen_convolve(set, &convolution);

  std::vector<float> ours_kernel(kernel.size());
  const ssen::KernelGradient back{
      input.data(), scene.table.data(), slope.data(), ours_kernel.data(), rows, rows, VOLUME, in, out, threads};
  ssen_kernel_gradient(set, &back);

  std::vector<double> expected(rows * out), expected_kernel(kernel.size());
  for (int64_t o = 0; o < rows; ++o) {
    for (int32_t k = 0; k < VOLUME; ++k) {
      const int64_t i = scene.table[o * VOLUME + k];
      if (i == rows) continue;
      for (int32_t a = 0; a < in; ++a)
        for (int32_t b = 0; b < out; ++b) {
          const int64_t w = (int64_t(k) * in + a) * out + b;
          expected[o * out + b] += double(x[i * in + a]) * kernel[w];
          expected_kernel[w] += double(x[i * in + a]) * gradient[o * out + b];
        }
    }
    for (int32_t b = 0; fused && b < out; ++b) {
      double& value = expected[o * out + b];
      value = std::max(0.0, value + bias[b] + shortcut[o * out + b]);
    }
  }
  const std::string how = name + ", " + std::to_string(in) + " to " + std::to_string(out) + " channels, " +
                          std::to_string(threads) + " threads" + (fused ? ", bias, shortcut, ReLU" : "");
  const double off = difference(as_floats(output, bfloat), expected);
  expect(off <= (bfloat ? 1.0 / 256 : 1e-5), how + ": off by " + std::to_string(off));
  const double off_kernel = difference(ours_kernel, expected_kernel);
  expect(off_kernel <= 2e-5, how + ", gradient: off by " + std::to_string(off_kernel));
}

// Three balls far from each other, and a few points between them.
void check_clustering() {
  constexpr int64_t BALL = 300, STRAYS = 12, N = 3 * BALL + STRAYS;
  constexpr int32_t D = 8;
  std::vector<float> points = normal(N * D);
  for (int64_t i = 0; i < 3 * BALL; ++i)
    for (int32_t c = 0; c < D; ++c) points[i * D + c] = 0.1f * points[i * D + c] + (c == i / BALL ? 5.f : 0.f);
  for (int64_t i = 3 * BALL; i < N; ++i)
    for (int32_t c = 0; c < D; ++c) points[i * D + c] *= 20;
  std::vector<int32_t> label(N), again(N);
  std::vector<float> probability(N), probability_again(N);
  bool right = ssen_hdbscan(points.data(), N, D, 50, 10, 32, 1, label.data(), probability.data()) == 0;
  std::set<int32_t> labels;
  for (int64_t ball = 0; ball < 3; ++ball) {
    int64_t same = 0;
    const int32_t first = label[ball * BALL + 1];
    for (int64_t i = ball * BALL; i < (ball + 1) * BALL; ++i) same += label[i] == first;
    right &= first >= 0 && same >= BALL * 9 / 10;
    labels.insert(first);
  }
  for (int64_t i = 3 * BALL; i < N; ++i) right &= label[i] == -1;
  expect(right && labels.size() == 3, "HDBSCAN finds three balls, and no stray in any");
  ssen_hdbscan(points.data(), N, D, 50, 10, 32, 3, again.data(), probability_again.data());
  expect(label == again && probability == probability_again, "HDBSCAN is the same with three threads");
  points[7] = NAN;
  expect(ssen_hdbscan(points.data(), N, D, 50, 10, 32, 1, label.data(), probability.data()) == 1,
         "HDBSCAN refuses a NaN");
}

}  // namespace

int main() {
  std::printf("interface %d, pointers of %zu bits\n", ssen_interface(), 8 * sizeof(void*));
  const Scene scene(18);
  for (const int32_t threads : {1, 3}) check_tables(scene, threads);
  for (int32_t set = 0; ssen_isa_name(set); ++set) {
    if (!ssen_isa_supported(set)) {
      std::printf("--   %s: not on this CPU\n", ssen_isa_name(set));
      continue;
    }
    for (const auto& [in, out] :
         std::vector<std::pair<int32_t, int32_t>>{{6, 32}, {3, 5}, {32, 20}, {17, 33}, {64, 48}})
      for (const bool fused : {false, true}) check_convolution(set, scene, in, out, fused, fused ? 3 : 1);
  }
  check_clustering();
  std::printf("%d failed\n", failures);
  return failures != 0;
}
