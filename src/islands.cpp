// Which cells of a set of voxels hang together (ssen_ros/islands.py, which has the same in numpy).
#include <algorithm>
#include <cstdint>
#include <new>
#include <numeric>
#include <vector>

namespace {

constexpr int AXIS_BITS = 20;
constexpr int64_t AXIS_LIMIT = int64_t(1) << (AXIS_BITS - 1);

// Numbers of cells, by key, in the order in which they come.
class Cells {
  std::vector<int64_t> slots_;  // key + 1, 0: free
  std::vector<int32_t> numbers_;
  uint64_t place(int64_t key) const {
    uint64_t at = uint64_t(key) * 0x9E3779B97F4A7C15u >> 20 & (slots_.size() - 1);
    while (slots_[at] && slots_[at] != key + 1) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    slots_.assign(slots_.empty() ? 1024 : 2 * slots_.size(), 0), numbers_.resize(slots_.size());
    for (uint64_t number = 0; number < keys.size(); ++number) put(place(keys[number]), keys[number], int32_t(number));
  }
  void put(uint64_t at, int64_t key, int32_t number) { slots_[at] = key + 1, numbers_[at] = number; }

 public:
  std::vector<int64_t> keys;
  int32_t find(int64_t key) const {  // -1: none
    const uint64_t at = place(key);
    return slots_[at] ? numbers_[at] : -1;
  }
  int32_t add(int64_t key) {
    if (2 * keys.size() >= slots_.size()) grow();
    const uint64_t at = place(key);
    if (!slots_[at]) put(at, key, int32_t(keys.size())), keys.push_back(key);
    return numbers_[at];
  }
};

int32_t root(std::vector<int32_t>& parent, int32_t one) {
  while (parent[one] != one) one = parent[one] = parent[parent[one]];
  return one;
}

int32_t groups(const int32_t* coords, const int64_t* rows, int64_t size, int32_t edge, const int64_t* steps,
               int32_t step_count, int32_t* group) {
  Cells cells;
  int64_t low[3] = {INT64_MAX, 0, 0};  // of the cell of the row before, in which mostly the next one lies too
  for (int64_t i = 0; i < size; ++i) {
    const int32_t* at = coords + rows[i] * 3;
    bool same = true;
    for (int axis = 0; axis < 3; ++axis) same &= at[axis] >= low[axis] && at[axis] < low[axis] + edge;
    if (same && i) {
      group[i] = group[i - 1];
      continue;
    }
    int64_t key = 0;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t cell = at[axis] / edge - (at[axis] % edge < 0);
      low[axis] = cell * edge;
      key = key << AXIS_BITS | (cell + AXIS_LIMIT);
    }
    group[i] = cells.add(key);
  }
  const int32_t count = int32_t(cells.keys.size());
  std::vector<int32_t> parent(count), number(count, -1);
  std::iota(parent.begin(), parent.end(), 0);
  for (int32_t one = 0; one < count; ++one)
    for (int32_t step = 0; step < step_count; ++step) {
      const int32_t other = cells.find(cells.keys[one] + steps[step]);
      if (other >= 0) parent[root(parent, other)] = root(parent, one);
    }
  int32_t found = 0;
  for (int32_t one = 0; one < count; ++one) found += parent[one] == one;
  if (found == 1) std::fill(group, group + size, 0);
  if (found <= 1) return found;
  found = 0;
  for (int64_t i = 0; i < size; ++i) {
    int32_t& its = number[root(parent, group[i])];
    if (its < 0) its = found++;
    group[i] = its;
  }
  return found;
}

}  // namespace

// The group of each row, numbered from 0 by first rows: those of which the cells of `edge` voxels touch are in one.
//   coords (., 3); rows, group (size); steps (step_count): from a cell's key to those of its neighbours, each pair once
// Returns how many groups, -2 where memory is short.
extern "C" int32_t ssen_cell_groups(const int32_t* coords, const int64_t* rows, int64_t size, int32_t edge,
                                    const int64_t* steps, int32_t step_count, int32_t* group) {
  try {
    return groups(coords, rows, size, edge, steps, step_count, group);
  } catch (const std::bad_alloc&) {
    return -2;
  }
}
