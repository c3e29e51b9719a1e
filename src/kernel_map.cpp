// Neighbour tables from sorted voxel keys. No hashing: the queries of one kernel column ascend with the output row,
// so one walk along the keys answers them all.
#include <algorithm>
#include <cstdint>

constexpr int64_t BLOCK = 4096;  // rows that one thread walks at a time

// table[o, z * columns + c] = the row of key base[o] + step[c] + z, or `count` where there is none
//   keys (count) ascending, unique; base (rows) ascending; step (columns); table (rows, columns * depth)
extern "C" void ssen_find_neighbours(const int64_t* keys, int64_t count, const int64_t* base, int64_t rows,
                                     const int64_t* step, int32_t columns, int32_t depth, int32_t* table,
                                     int32_t threads) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (int64_t begin = 0; begin < rows; begin += BLOCK) {
    const int64_t end = std::min(begin + BLOCK, rows);
    for (int32_t c = 0; c < columns; ++c) {
      int64_t at = std::lower_bound(keys, keys + count, base[begin] + step[c]) - keys;
      for (int64_t o = begin; o < end; ++o) {
        const int64_t query = base[o] + step[c];
        while (at < count && keys[at] < query) ++at;
        int64_t next = at;
        int32_t* to = table + o * columns * depth + c;
        for (int32_t z = 0; z < depth; ++z, to += columns) {
          const bool found = next < count && keys[next] == query + z;
          *to = int32_t(found ? next : count);
          next += found;
        }
      }
    }
  }
}

// transposed[table[o, k], k] = o; `outputs` where no output has the input at offset k
//   table (outputs, volume), transposed (inputs, volume)
extern "C" void ssen_transpose(const int32_t* table, int64_t outputs, int64_t inputs, int32_t volume,
                               int32_t* transposed, int32_t threads) {
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < inputs * volume; ++i) transposed[i] = int32_t(outputs);
#pragma omp for schedule(static)
    for (int64_t o = 0; o < outputs; ++o)
      for (int32_t k = 0; k < volume; ++k) {
        const int64_t input = table[o * volume + k];
        if (input != inputs) transposed[input * volume + k] = int32_t(o);  // an input meets offset k once
      }
  }
}
