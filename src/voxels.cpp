// The voxel map's arithmetic (ssen_ros/voxel_map.py, which documents it and has the same in numpy): the representative
// of each sub-cell of a cloud, the union and the difference of two maps, a map's summary, and what of a map was there
// before (voxel_keys.py, fusion.py). All walk through memory once or a few times.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace ssen {
namespace {

constexpr int AXIS_BITS = 20, OCTANT_BITS = 3, DISTANCE_SHIFT = 48, PLACE_SHIFT = 24;
constexpr int64_t AXIS_LIMIT = int64_t(1) << (AXIS_BITS - 1), AXIS_MASK = (int64_t(1) << AXIS_BITS) - 1;
constexpr int STEPS = 512, HALF = 256;
constexpr int DIGIT = 11;  // most bits that a round of sorting looks at

struct Observation {
  uint64_t key;
  int64_t rank;
};

// Ascending keys, in rounds of equally many bits. Returns where they are then: `items` or `other`.
Observation* sort_by_key(Observation* items, Observation* other, int64_t count, uint64_t largest) {
  int bits = 0;
  while (bits < 64 && largest >> bits) ++bits;
  const int rounds = (bits + DIGIT - 1) / DIGIT, digit = rounds ? (bits + rounds - 1) / rounds : 0;
  const uint64_t mask = (uint64_t(1) << digit) - 1;
  for (int round = 0; round < rounds; ++round) {
    const int shift = round * digit;
    int64_t at[(1 << DIGIT) + 1] = {};
    for (int64_t i = 0; i < count; ++i) ++at[(items[i].key >> shift & mask) + 1];
    for (int d = 1; d < 1 << DIGIT; ++d) at[d] += at[d - 1];
    for (int64_t i = 0; i < count; ++i) other[at[items[i].key >> shift & mask]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

inline int64_t distance(int64_t step) {
  const int64_t k = std::max(step - HALF / 2, HALF / 2 - 1 - step);
  return k * (k + 1) / 2;
}

// Returns the count, -1 where a point is not finite or out of reach, -2 where memory is short.
template <class T>
int64_t representatives(const T* points, const uint8_t* colors, int64_t count, double voxel_size, int64_t* keys,
                        int64_t* ranks) {
  int64_t low[3], high[3];
  for (int axis = 0; axis < 3; ++axis) {
    T least = points[axis], most = least;
    bool finite = true;
    for (int64_t i = 0; i < count; ++i) {
      const T value = points[i * 3 + axis];
      finite &= std::isfinite(value);
      least = std::min(least, value), most = std::max(most, value);
    }
    const double first = std::floor(double(least) / voxel_size), last = std::floor(double(most) / voxel_size);
    if (!finite || !(first >= -AXIS_LIMIT && last < AXIS_LIMIT)) return -1;
    low[axis] = int64_t(first), high[axis] = int64_t(last);
  }
  // Keys within the cloud's own box, in the order of the map's keys: short ones are sorted in fewer rounds.
  const uint64_t ny = high[1] - low[1] + 1, nz = high[2] - low[2] + 1;
  const std::unique_ptr<Observation[]> memory(new Observation[2 * count]);  // not zeroed, as a vector's would be
  Observation* items = memory.get();
  uint64_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    int64_t cell[3], octant = 0, far = 0, place = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const double position = double(points[i * 3 + axis]) / voxel_size;
      int64_t floor = int64_t(position);
      floor -= double(floor) > position;
      // A hair below zero is 1.0 above its floor when rounded: the last step, not the next voxel.
      const int64_t step = std::min(int64_t((position - double(floor)) * STEPS), int64_t(STEPS - 1));
      cell[axis] = floor - low[axis];
      octant = octant << 1 | step >> 8;
      far += distance(step & (HALF - 1));
      place = place << 8 | (step & (HALF - 1));
    }
    const uint8_t* rgb = colors + i * 3;
    const int64_t color = int64_t(rgb[0]) << 16 | int64_t(rgb[1]) << 8 | rgb[2];
    items[i].key = ((cell[0] * ny + cell[1]) * nz + cell[2]) << OCTANT_BITS | octant;
    items[i].rank = far << DISTANCE_SHIFT | place << PLACE_SHIFT | color;
    largest = std::max(largest, items[i].key);
  }
  items = sort_by_key(items, items + count, count, largest);
  int64_t found = 0;
  uint64_t before = ~uint64_t(0);
  for (int64_t i = 0; i < count; ++i) {
    const Observation& one = items[i];
    if (one.key == before) {
      ranks[found - 1] = std::min(ranks[found - 1], one.rank);
      continue;
    }
    before = one.key;
    const uint64_t cell = one.key >> OCTANT_BITS, column = cell / nz;
    const int64_t x = low[0] + int64_t(column / ny), y = low[1] + int64_t(column % ny), z = low[2] + int64_t(cell % nz);
    const int64_t voxel = (x + AXIS_LIMIT) << 2 * AXIS_BITS | (y + AXIS_LIMIT) << AXIS_BITS | (z + AXIS_LIMIT);
    keys[found] = voxel << OCTANT_BITS | int64_t(one.key & ((1 << OCTANT_BITS) - 1));
    ranks[found++] = one.rank;
  }
  return found;
}

// Voxels are counted as their sub-cells pass by in ascending order.
class Changes {
  int64_t *new_, *gone_, *changed_, *count_;
  int64_t voxel_ = -1;
  bool was_ = false, is_ = false, differs_ = false;

 public:
  Changes(int64_t* come, int64_t* gone, int64_t* changed, int64_t* count)
      : new_(come), gone_(gone), changed_(changed), count_(count) {
    count[0] = count[1] = count[2] = 0;
  }
  void see(int64_t key, bool was, bool is, bool differs) {
    const int64_t voxel = key >> OCTANT_BITS;
    if (voxel != voxel_) {
      tell();
      voxel_ = voxel, was_ = is_ = differs_ = false;
    }
    was_ |= was, is_ |= is, differs_ |= differs;
  }
  void tell() {
    if (!differs_) return;
    if (!was_)
      new_[count_[0]++] = voxel_;
    else if (!is_)
      gone_[count_[1]++] = voxel_;
    else
      changed_[count_[2]++] = voxel_;
  }
};

}  // namespace
}  // namespace ssen

extern "C" {

// Keys and ranks (room for `count` of each) of the sub-cells that a cloud occupies, keys ascending and unique.
//   points (count, 3) float, or double if `bytes` is 8; colors (count, 3); count from 1
// Returns how many, -1 where a point is not finite or out of reach, -2 where memory is short.
int64_t ssen_representatives(int32_t bytes, const void* points, const uint8_t* colors, int64_t count, double voxel_size,
                             int64_t* keys, int64_t* ranks) {
  try {
    if (bytes == 8)
      return ssen::representatives(static_cast<const double*>(points), colors, count, voxel_size, keys, ranks);
    return ssen::representatives(static_cast<const float*>(points), colors, count, voxel_size, keys, ranks);
  } catch (const std::bad_alloc&) {
    return -2;
  }
}

// Voxels that are new, gone, changed between two maps of ascending sub-cell keys; `count` receives how many of each.
//   come, gone, changed: room for as many as there are sub-cells in the second, the first, the first map
void ssen_map_difference(const int64_t* keys, const int64_t* ranks, int64_t size, const int64_t* later_keys,
                         const int64_t* later_ranks, int64_t later_size, int64_t* come, int64_t* gone, int64_t* changed,
                         int64_t* count) {
  ssen::Changes changes(come, gone, changed, count);
  for (int64_t i = 0, j = 0; i < size || j < later_size;) {
    const bool was = j == later_size || (i < size && keys[i] <= later_keys[j]);
    const bool is = i == size || (j < later_size && later_keys[j] <= keys[i]);
    changes.see(was ? keys[i] : later_keys[j], was, is, !was || !is || ranks[i] != later_ranks[j]);
    i += was, j += is;
  }
  changes.tell();
}

// The union of a map and a part, of each sub-cell the lesser rank; and the voxels that are new or changed by it.
//   all_keys, all_ranks: room for both; come, changed: room for the part. Returns the sub-cells of the union.
int64_t ssen_map_union(const int64_t* keys, const int64_t* ranks, int64_t size, const int64_t* part_keys,
                       const int64_t* part_ranks, int64_t part_size, int64_t* all_keys, int64_t* all_ranks,
                       int64_t* come, int64_t* changed, int64_t* count) {
  ssen::Changes changes(come, nullptr, changed, count);
  int64_t all = 0;
  for (int64_t i = 0, j = 0; i < size || j < part_size; ++all) {
    const bool was = j == part_size || (i < size && keys[i] <= part_keys[j]);
    const bool is = i == size || (j < part_size && part_keys[j] <= keys[i]);
    const bool better = is && (!was || part_ranks[j] < ranks[i]);
    all_keys[all] = was ? keys[i] : part_keys[j];
    all_ranks[all] = better ? part_ranks[j] : ranks[i];
    changes.see(all_keys[all], was, true, better);
    i += was, j += is;
  }
  changes.tell();
  return all;
}

// Of each voxel its index, and the mean place and colour of its representatives; returns the voxels.
//   keys, ranks (size); coords, points, colors (room, 3), written up to there
int64_t ssen_map_summary(const int64_t* keys, const int64_t* ranks, int64_t size, double voxel_size, int64_t room,
                         int32_t* coords, float* points, uint8_t* colors) {
  using namespace ssen;
  int64_t voxels = 0;
  for (int64_t begin = 0, end; begin < size && voxels < room; begin = end, ++voxels) {
    const int64_t voxel = keys[begin] >> OCTANT_BITS;
    int64_t place[3] = {}, color[3] = {};
    for (end = begin; end < size && keys[end] >> OCTANT_BITS == voxel; ++end)
      for (int axis = 0; axis < 3; ++axis) {
        const int shift = 8 * (2 - axis);
        place[axis] += (keys[end] >> (2 - axis) & 1) * HALF + (ranks[end] >> (PLACE_SHIFT + shift) & 255);
        color[axis] += ranks[end] >> shift & 255;
      }
    const int64_t count = end - begin;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t at = (voxel >> (2 - axis) * AXIS_BITS & AXIS_MASK) - AXIS_LIMIT;
      // Off the voxel's side by what float32 rounds, as in ssen_ros/voxel_map.py.
      const double margin = double(std::abs(at) + 1) * (4 * 0x1p-24);
      const double fraction = (double(place[axis]) / double(count) + 0.5) / STEPS;
      coords[voxels * 3 + axis] = int32_t(at);
      points[voxels * 3 + axis] = float((double(at) + std::min(std::max(fraction, margin), 1 - margin)) * voxel_size);
      colors[voxels * 3 + axis] = uint8_t((2 * color[axis] + count) / (2 * count));
    }
  }
  return voxels;
}

// Where each of the wanted keys stands among ascending, unique ones; -1 where it does not.
//   keys (count); wanted, rows (size). The nearer one stands to the one before, the faster it is found.
void ssen_find(const int64_t* keys, int64_t count, const int64_t* wanted, int64_t size, int64_t* rows) {
  for (int64_t i = 0, at = 0; i < size; ++i) {  // `at`: of the one before, the first key that is no less
    const int64_t want = wanted[i];
    int64_t low = 0, high = count;  // here `at` is now, or between
    if (at < count && keys[at] < want) {
      low = at + 1;
      for (int64_t step = 1, next; (next = low + step - 1) < count; low = next + 1, step *= 2)
        if (keys[next] >= want) {
          high = next;
          break;
        }
    } else {
      high = at;
      for (int64_t step = 1, next; (next = high - step) >= 0; high = next, step *= 2)
        if (keys[next] < want) {
          low = next + 1;
          break;
        }
    }
    at = std::lower_bound(keys + low, keys + high, want) - keys;
    rows[i] = at < count && keys[at] == want ? at : -1;
  }
}

// Which voxels are new, or have another point or colour than before, by more than they tremble; 1 or 0 for each.
//   points, colors (size, 3); row (size): of each in known_points, known_colors (., 3), or -1
void ssen_changed(const float* points, const uint8_t* colors, const int64_t* row, int64_t size,
                  const float* known_points, const uint8_t* known_colors, double tremble_m, int32_t tremble_color,
                  uint8_t* changed) {
  for (int64_t i = 0; i < size; ++i) {
    if (row[i] < 0) {
      changed[i] = 1;
      continue;
    }
    const float *now = points + i * 3, *before = known_points + row[i] * 3;
    const uint8_t *color = colors + i * 3, *known_color = known_colors + row[i] * 3;
    double distance = 0;
    bool recolored = false;
    for (int axis = 0; axis < 3; ++axis) {
      const double offset = now[axis] - before[axis];
      distance += offset * offset;
      recolored |= std::abs(int(color[axis]) - int(known_color[axis])) > tremble_color;
    }
    changed[i] = recolored || distance > tremble_m * tremble_m;
  }
}

// The first column with the largest value of each row; values (rows, columns), columns from 1 on.
void ssen_likeliest(const float* values, int64_t rows, int32_t columns, int32_t* column) {
  for (int64_t i = 0; i < rows; ++i, values += columns) {
    float most = values[0];
    for (int32_t c = 1; c < columns; ++c) most = values[c] > most ? values[c] : most;
    int32_t at = 0;
    while (at < columns - 1 && values[at] != most) ++at;
    column[i] = at;
  }
}

// Which rows of one array are, to the bit, those of another; 1 or 0 for each pair of rows. A row below 0 is none.
//   row_before, row_now, same (size); each row has so many bytes
void ssen_same_rows(const uint8_t* before, const int64_t* row_before, const uint8_t* now, const int64_t* row_now,
                    int64_t size, int64_t bytes, uint8_t* same) {
  for (int64_t i = 0; i < size; ++i)
    same[i] = row_before[i] >= 0 && row_now[i] >= 0 &&
              !std::memcmp(before + row_before[i] * bytes, now + row_now[i] * bytes, bytes);
}

}  // extern "C"
