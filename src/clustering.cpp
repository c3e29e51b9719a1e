// HDBSCAN (Campello, Moulavi, Sander 2013) of points in single precision, as the hdbscan library defines it: the core
// distance is that to the min_samples-th other point, clusters are selected by excess of mass, never the root.
//
// A k-d tree with eight children a node and blocks of eight points finds each point's neighbours; Borůvka's rounds join
// components by their shortest mutual reachability distance, trying the neighbours before they search the tree, and
// never searching from the largest component; then single linkage, the condensed tree, the selection. Searches run in
// single precision, with slack; distances that decide are computed in double. `effort` bounds the searches.
// No thread sees what another finds before all are done, so the answer does not depend on their number.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#include "watch.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

// The two searches are compiled twice, and the CPU decides; all within them is inlined, so no vector is ever passed.
#define SSEN_ALWAYS __attribute__((always_inline))
#define SSEN_INLINE inline SSEN_ALWAYS
#if defined(__x86_64__)
#define SSEN_AVX2 __attribute__((target("avx2,fma")))
#define SSEN_HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#else
#define SSEN_AVX2
#define SSEN_HAS_AVX2 false
#endif
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace {

constexpr int LANES = 8;
constexpr int LEAF = 32;  // most points of a leaf
constexpr int BLOCKS = LEAF / LANES;
constexpr int64_t NO_LEAF = -1;
constexpr int FEW = 32;                // neighbours, that are kept in order; more: in a heap, and only these listed
constexpr int MAX_LEVELS = 10;         // 32 * 8^9 points and more
constexpr int NODE_BITS = 27;          // of a node's number, beside its level in 32 bits
constexpr float SLACK = 1.0f + 1e-5f;  // over the rounding of a squared distance
constexpr float INF = std::numeric_limits<float>::infinity();

typedef float Lanes __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t Mask __attribute__((vector_size(4 * LANES), may_alias));

// What containers hold of them: a struct keeps its alignment there, a vector type does not.
template <class T>
struct alignas(4 * LANES) Stored {
  T lane[LANES];
};

SSEN_INLINE const Lanes& load(const Stored<float>& stored) { return reinterpret_cast<const Lanes&>(stored); }
SSEN_INLINE const Mask& load(const Stored<int32_t>& stored) { return reinterpret_cast<const Mask&>(stored); }

// A bit for each lane that is set.
SSEN_INLINE uint32_t bits_of(const Mask& mask) {
#if defined(__SSE2__)
  const __m128* half = reinterpret_cast<const __m128*>(&mask);
  return uint32_t(_mm_movemask_ps(half[0]) | _mm_movemask_ps(half[1]) << 4);
#else
  uint32_t bits = 0;
  for (int c = 0; c < LANES; ++c) bits |= uint32_t(mask[c] & 1) << c;
  return bits;
#endif
}

// Takes the lowest bit away and returns its place.
SSEN_INLINE int take_lowest(uint32_t& bits) {
  const int place = __builtin_ctz(bits);
  bits &= bits - 1;
  return place;
}

// The nearer first: the bits of a distance, which order as it does, above what it leads to.
SSEN_INLINE uint64_t key_of(float distance, uint32_t to) {
  uint32_t bits;
  std::memcpy(&bits, &distance, sizeof bits);
  return uint64_t(bits) << 32 | to;
}

SSEN_INLINE float distance_of(uint64_t key) {
  const uint32_t bits = uint32_t(key >> 32);
  float distance;
  std::memcpy(&distance, &bits, sizeof distance);
  return distance;
}

int thread() {
#if defined(_OPENMP)
  return omp_get_thread_num();
#else
  return 0;
#endif
}

// Balanced: 2^depth leaves of as many points, give or take one. Node m of level h has the children 8 m .. 8 m + 7 of
// level h - 1; level 0 are the leaves. Points are numbered by their place in the tree, leaf after leaf.
struct Tree {
  int64_t n;
  int d, depth, levels;
  std::vector<int32_t> row;          // (n) of the input
  std::vector<float> point;          // (n, d)
  std::vector<Stored<float>> block;  // (leaves, d, BLOCKS); infinite where there is no point

  // By level, of the children of a node: (nodes, 2, d) the ends of their boxes; (nodes) their `Summary`.
  std::vector<Stored<float>> box[MAX_LEVELS];
  std::vector<Stored<int32_t>> component[MAX_LEVELS];
  std::vector<Stored<float>> least[MAX_LEVELS], other[MAX_LEVELS];

  int64_t leaves() const { return int64_t(1) << depth; }
  int64_t first(int64_t leaf) const { return leaf * n >> depth; }
  int64_t nodes(int level) const { return std::max<int64_t>(1, leaves() >> 3 * level); }
  int children(int level) const { return int(std::min<int64_t>(LANES, nodes(level - 1))); }  // of each node

  // Not inlined: the same for all instruction sets, to the last bit.
  __attribute__((noinline)) double squared_distance(int64_t a, int64_t b) const {
    double sum = 0;
    for (int k = 0; k < d; ++k) {
      const double difference = double(point[a * d + k]) - double(point[b * d + k]);
      sum += difference * difference;
    }
    return sum;
  }
};

typedef std::pair<float, int32_t> Keyed;  // a coordinate, the row

// The dimension in which a sample of the rows spreads most.
int widest(const float* points, int d, const Keyed* entry, int64_t count) {
  const int64_t step = std::max<int64_t>(1, count / 256);
  int best = 0;
  double most = -1;
  for (int k = 0; k < d; ++k) {
    double sum = 0, squares = 0, seen = 0;
    for (int64_t i = 0; i < count; i += step, ++seen) {
      const double x = points[int64_t(entry[i].second) * d + k];
      sum += x;
      squares += x * x;
    }
    const double variance = squares / seen - (sum / seen) * (sum / seen);
    if (variance > most) {
      most = variance;
      best = k;
    }
  }
  return best;
}

// Sorts the entries of `count` leaves, a power of two, from `leaf` on, into those leaves.
void split(const Tree* tree, const float* points, Keyed* entry, int64_t leaf, int64_t count) {
  if (count == 1) return;
  const int64_t half = count / 2;
  const int64_t begin = tree->first(leaf), middle = tree->first(leaf + half), end = tree->first(leaf + count);
  const int k = widest(points, tree->d, entry + begin, end - begin);
  for (int64_t i = begin; i < end; ++i) entry[i].first = points[int64_t(entry[i].second) * tree->d + k];
  std::nth_element(entry + begin, entry + middle, entry + end);
#pragma omp task if (end - begin > 4096)
  split(tree, points, entry, leaf, half);
  split(tree, points, entry, leaf + half, half);
#pragma omp taskwait
}

// Of points (n, d), times `scale`.
Tree build(const float* points, double scale, int64_t n, int d, int threads) {
  Tree tree;
  tree.n = n;
  tree.d = d;
  tree.depth = 0;
  while (n > int64_t(LEAF) << tree.depth) ++tree.depth;
  tree.levels = std::max(1, (tree.depth + 2) / 3);

  std::vector<Keyed> entry(n);
  for (int64_t i = 0; i < n; ++i) entry[i] = {0.0f, int32_t(i)};
#pragma omp parallel num_threads(threads)
#pragma omp single
  split(&tree, points, entry.data(), 0, tree.leaves());

  Stored<float> nowhere;
  std::fill(nowhere.lane, nowhere.lane + LANES, INF);
  tree.row.resize(n);
  tree.point.resize(n * d);
  tree.block.assign(tree.leaves() * d * BLOCKS, nowhere);
  for (int h = 1; h <= tree.levels; ++h) {
    tree.box[h].assign(tree.nodes(h) * 2 * d, nowhere);  // a child that does not exist is infinitely far
    tree.component[h].resize(tree.nodes(h));
    tree.least[h].resize(tree.nodes(h));
    tree.other[h].resize(tree.nodes(h));
  }
#pragma omp parallel for num_threads(threads)
  for (int64_t node = 0; node < tree.nodes(1); ++node)
    for (int64_t c = 0; c < tree.children(1); ++c) {
      const int64_t leaf = LANES * node + c, begin = tree.first(leaf);
      for (int64_t i = begin; i < tree.first(leaf + 1); ++i) {
        tree.row[i] = entry[i].second;
        for (int k = 0; k < d; ++k) {
          const float x = tree.point[i * d + k] = float(points[int64_t(tree.row[i]) * d + k] * scale);
          tree.block[(leaf * d + k) * BLOCKS + (i - begin) / LANES].lane[(i - begin) % LANES] = x;
          float& low = tree.box[1][2 * d * node + k].lane[c];
          float& high = tree.box[1][2 * d * node + d + k].lane[c];
          low = i == begin ? x : std::min(low, x);
          high = i == begin ? x : std::max(high, x);
        }
      }
    }
  for (int h = 2; h <= tree.levels; ++h)
    for (int64_t child = 0; child < tree.nodes(h - 1); ++child)
      for (int k = 0; k < 2 * d; ++k) {
        const float *lanes = tree.box[h - 1][child * 2 * d + k].lane, *end = lanes + tree.children(h - 1);
        const float most = k < d ? *std::min_element(lanes, end) : *std::max_element(lanes, end);
        tree.box[h][child / LANES * 2 * d + k].lane[child % LANES] = most;
      }
  return tree;
}

// Squared distances from a point to the boxes of a node's children.
SSEN_INLINE Lanes to_boxes(const Stored<float>* box, const float* q, int d) {
  Lanes sum = {};
  for (int k = 0; k < d; ++k) {
    const Lanes low = load(box[k]), high = load(box[d + k]), here = Lanes{} + q[k];
    const Lanes lowered = here < high ? here : high, nearest = lowered > low ? lowered : low;
    sum += (here - nearest) * (here - nearest);
  }
  return sum;
}

// Squared distances from a point to those of a leaf.
SSEN_INLINE void to_points(const Stored<float>* block, const float* q, int d, Lanes* distance) {
  Lanes sum[BLOCKS] = {};
  for (int k = 0; k < d; ++k)
    for (int b = 0; b < BLOCKS; ++b) {
      const Lanes difference = load(block[k * BLOCKS + b]) - q[k];
      sum[b] += difference * difference;
    }
  for (int b = 0; b < BLOCKS; ++b) distance[b] = sum[b];
}

// Hands the points of a leaf that are nearer to q than the squared distance `bound()` to `meet(point, its distance)`.
template <class Bound, class Meet>
SSEN_INLINE void scan(const Tree& tree, int64_t leaf, const float* q, int d, Bound bound, Meet meet) {
  Lanes to[BLOCKS];
  to_points(&tree.block[leaf * d * BLOCKS], q, d, to);
  const float reach = bound();
  uint32_t near = 0;
  for (int b = 0; b < BLOCKS; ++b) near |= bits_of(to[b] < reach) << LANES * b;
  float distance[LEAF];
  std::memcpy(distance, to, sizeof distance);
  const int64_t first = tree.first(leaf);
  while (near) {
    const int c = take_lowest(near);
    if (distance[c] < bound()) meet(first + c, distance[c]);
  }
}

// Scans the leaves that may be nearer to q, of a node's children the nearer first, save leaf `done`; stops when
// `effort` leaves were seen, q lies in none of those left, and it is `enough()`. `adjust(level, node, distances)` may
// raise the distances to a node's children.
template <class Bound, class Enough, class Adjust, class Meet>
SSEN_INLINE void visit(const Tree& tree, const float* q, int d, int64_t done, int effort, Bound bound, Enough enough,
                       Adjust adjust, Meet meet) {
  uint64_t stack[LANES * MAX_LEVELS];  // keys of the level, above the node
  stack[0] = key_of(0, uint32_t(tree.levels) << NODE_BITS);
  int waiting = 1;
  while (waiting) {
    const uint64_t next = stack[--waiting];
    if (!(distance_of(next) < bound())) continue;
    const int level = int(uint32_t(next) >> NODE_BITS);
    const int64_t node = uint32_t(next) & ((1u << NODE_BITS) - 1);
    if (level == 0) {
      if (effort-- <= 0 && distance_of(next) > 0 && enough()) return;
      if (node != done) scan(tree, node, q, d, bound, meet);
      continue;
    }
    const Lanes to = adjust(level, node, to_boxes(&tree.box[level][node * 2 * d], q, d));
    float distance[LANES];
    std::memcpy(distance, &to, sizeof distance);
    const int bottom = waiting;
    for (uint32_t near = bits_of(to < bound()); near;) {
      const int c = take_lowest(near);
      const uint64_t child = key_of(distance[c], uint32_t(level - 1) << NODE_BITS | uint32_t(LANES * node + c));
      int at = waiting++;
      for (; at > bottom && stack[at - 1] < child; --at) stack[at] = stack[at - 1];
      stack[at] = child;
    }
  }
}

// Of `count` neighbours so many are remembered: they only shorten the searches that follow.
SSEN_INLINE int listed(int count) { return std::min(count, FEW); }

// found (n, listed(count)): the nearest other points of each point of a leaf, nearest first; core (n): the squared
// distance to the last of `count`, also where fewer are listed; key (count) is scratch, FEW of them in order, more as a
// heap with the largest on top
template <bool HEAP>
SSEN_INLINE void neighbours_of_leaf(const Tree& tree, int64_t leaf, int d, int count, int effort, uint64_t* key,
                                    int32_t* found, double* core) {
  const uint64_t unknown = key_of(std::numeric_limits<float>::max(), 0);
  const int furthest = HEAP ? 0 : count - 1;
  for (int64_t i = tree.first(leaf); i < tree.first(leaf + 1); ++i) {
    std::fill(key, key + count, unknown);
    const auto last = [&]() SSEN_ALWAYS { return distance_of(key[furthest]); };
    const auto keep = [&](int64_t j, float to) SSEN_ALWAYS {
      if (j == i) return;
      const uint64_t met = key_of(to, uint32_t(j));
      if (HEAP) {
        if (met >= key[0]) return;
        std::pop_heap(key, key + count);
        key[count - 1] = met;
        std::push_heap(key, key + count);
        return;
      }
      int at = count - 1;
      for (; at > 0 && key[at - 1] > met; --at) key[at] = key[at - 1];
      key[at] = met;
    };
    scan(tree, leaf, &tree.point[i * d], d, last, keep);  // first, so that little of the rest is in reach
    // Copies of a point must not each be content with those of their own leaf: all start from the same one.
    const bool copies = last() == 0;
    if (copies) std::fill(key, key + count, unknown);
    visit(
        tree, &tree.point[i * d], d, copies ? NO_LEAF : leaf, effort, last, [&] { return key[furthest] < unknown; },
        [](int, int64_t, const Lanes& to) SSEN_ALWAYS { return to; }, keep);
    if (HEAP) std::sort_heap(key, key + count);
    const float least = distance_of(key[count - 1]) / (SLACK * SLACK);  // of those that may be the furthest
    for (int k = 0; k < count; ++k) {
      const int32_t j = int32_t(uint32_t(key[k]));
      if (k < listed(count)) found[i * listed(count) + k] = j;
      if (distance_of(key[k]) >= least) core[i] = std::max(core[i], tree.squared_distance(i, j));
    }
  }
}

// The usual width and count are worth a copy with its loops unrolled.
SSEN_AVX2 void neighbours_avx2(const Tree& tree, int64_t leaf, int count, int effort, uint64_t* scratch, int32_t* found,
                               double* core) {
  uint64_t key[FEW];  // of its own, which nothing else can point to: 15 % faster than the scratch
  if (count > FEW)
    neighbours_of_leaf<true>(tree, leaf, tree.d, count, effort, scratch, found, core);
  else
    tree.d == 8 ? neighbours_of_leaf<false>(tree, leaf, 8, count, effort, key, found, core)
                : neighbours_of_leaf<false>(tree, leaf, tree.d, count, effort, scratch, found, core);
}

void neighbours(const Tree& tree, int64_t leaf, int count, int effort, uint64_t* scratch, int32_t* found,
                double* core) {
  if (SSEN_HAS_AVX2)
    neighbours_avx2(tree, leaf, count, effort, scratch, found, core);
  else
    count > FEW ? neighbours_of_leaf<true>(tree, leaf, tree.d, count, effort, scratch, found, core)
                : neighbours_of_leaf<false>(tree, leaf, tree.d, count, effort, scratch, found, core);
}

struct Edge {
  double weight;  // squared mutual reachability distance
  int32_t a, b;   // points
};

struct Forest {
  std::vector<int32_t> parent;
  explicit Forest(int64_t n) : parent(n) { std::iota(parent.begin(), parent.end(), 0); }
  int32_t find(int32_t x) {
    while (parent[x] != x) x = parent[x] = parent[parent[x]];
    return x;
  }
  std::vector<int32_t> numbers() {  // of the tree that each is in, counted from 0
    std::vector<int32_t> number(parent.size(), -1);
    int32_t count = 0;
    for (size_t x = 0; x < parent.size(); ++x) {
      int32_t& of_root = number[find(int32_t(x))];
      if (of_root < 0) of_root = count++;
      number[x] = of_root;
    }
    return number;
  }
};

// What the rounds know.
struct Known {
  std::vector<double> core;        // (n) squared core distances
  std::vector<int32_t> component;  // (n) of each point, counted from 0
  std::vector<double> settled;     // (n) no edge from the point out of its component is shorter
  std::vector<Edge> shortest;      // (n) known edge from the point out of its component; infinite: none
  std::vector<double> bound;       // by component: shortest known edge out of it before the searches of this round
};

// From all points of a leaf whose edges may beat what is known of their component, save those of component `spared`.
SSEN_INLINE void search_from_leaf(const Tree& tree, Known& known, int64_t leaf, int d, int effort, int32_t spared) {
  for (int64_t i = tree.first(leaf); i < tree.first(leaf + 1); ++i) {
    const int32_t own = known.component[i];
    Edge& best = known.shortest[i];
    double limit = std::min(best.weight, known.bound[own]);
    if (own == spared || known.settled[i] >= limit) continue;
    visit(
        tree, &tree.point[i * d], d, NO_LEAF, effort,
        [&] { return float(limit) * SLACK + std::numeric_limits<float>::min(); }, [&] { return limit < INF; },
        [&](int level, int64_t node, const Lanes& to) SSEN_ALWAYS {
          const Mask is_own = load(tree.component[level][node]) == own;
          const Lanes core = is_own ? load(tree.other[level][node]) : load(tree.least[level][node]);
          return to > core ? to : core;
        },
        [&](int64_t j, float) {
          if (known.component[j] == own) return;
          const double weight = std::max({known.core[i], known.core[j], tree.squared_distance(i, j)});
          if (weight >= limit) return;
          best = {weight, int32_t(i), int32_t(j)};
          limit = weight;
        });
    known.settled[i] = limit;
  }
}

SSEN_AVX2 void search_avx2(const Tree& tree, Known& known, int64_t leaf, int effort, int32_t spared) {
  tree.d == 8 ? search_from_leaf(tree, known, leaf, 8, effort, spared)
              : search_from_leaf(tree, known, leaf, tree.d, effort, spared);
}

void search(const Tree& tree, Known& known, int64_t leaf, int effort, int32_t spared) {
  SSEN_HAS_AVX2 ? search_avx2(tree, known, leaf, effort, spared)
                : search_from_leaf(tree, known, leaf, tree.d, effort, spared);
}

// The shortest edge from a point to one of its neighbours outside its component. A neighbour is no further than the
// core distance, so the two core distances are the edge's length.
Edge to_neighbour(int64_t i, const int32_t* neighbour, int count, const Known& known) {
  Edge best = {INF, int32_t(i), int32_t(i)};
  for (int k = 0; k < count && best.weight > known.core[i]; ++k) {
    const int32_t j = neighbour[k];
    const double weight = std::max(known.core[i], known.core[j]);
    if (known.component[j] != known.component[i] && weight < best.weight) best = {weight, int32_t(i), j};
  }
  return best;
}

// What the search for an edge out of a component has to know of the points below a child.
struct Summary {
  int32_t component;   // of the point of least core distance
  float least, other;  // squared core distances: that, and the least of other components

  void add(const Summary& more) {
    if (more.component == component) {
      least = std::min(least, more.least);
      other = std::min(other, more.other);
    } else if (more.least < least) {
      *this = {more.component, more.least, std::min(more.other, least)};
    } else {
      other = std::min(other, more.least);
    }
  }
};

void summarize(Tree& tree, const Known& known, int threads) {
  for (int h = 1; h <= tree.levels; ++h) {
#pragma omp parallel for num_threads(threads) if (h == 1)
    for (int64_t child = 0; child < tree.nodes(h - 1); ++child) {
      Summary all = {-1, INF, INF};
      if (h == 1) {
        for (int64_t i = tree.first(child); i < tree.first(child + 1); ++i)
          all.add({known.component[i], float(known.core[i]), INF});
      } else {
        for (int c = 0; c < tree.children(h - 1); ++c)
          all.add({tree.component[h - 1][child].lane[c], tree.least[h - 1][child].lane[c],
                   tree.other[h - 1][child].lane[c]});
      }
      tree.component[h][child / LANES].lane[child % LANES] = all.component;
      tree.least[h][child / LANES].lane[child % LANES] = all.least;
      tree.other[h][child / LANES].lane[child % LANES] = all.other;
    }
  }
}

struct GivenUp {};

void check(const volatile int32_t* flag) {
  if (ssen::given_up(flag)) throw GivenUp();
}

// The edges of a minimum spanning tree of the mutual reachability distances, shortest first. Throws GivenUp.
std::vector<Edge> spanning_tree(Tree& tree, int count, int effort, int threads, const volatile int32_t* flag) {
  const int64_t n = tree.n;
  Known known;
  known.core.resize(n);
  std::vector<int32_t> neighbour(n * listed(count));
  std::vector<uint64_t> scratch(int64_t(threads) * count);
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
  for (int64_t leaf = 0; leaf < tree.leaves(); ++leaf)
    if (!ssen::given_up(flag))
      neighbours(tree, leaf, count, effort, &scratch[int64_t(thread()) * count], neighbour.data(), known.core.data());
  check(flag);
  known.component.resize(n);
  std::iota(known.component.begin(), known.component.end(), 0);
  known.settled = known.core;
  known.shortest.resize(n);
  for (int64_t i = 0; i < n; ++i) known.shortest[i] = {0, int32_t(i), int32_t(i)};
  std::vector<int32_t> size, winner;
  std::vector<Edge> edges;
  edges.reserve(n - 1);
  for (int32_t components = int32_t(n); components > 1;) {
    summarize(tree, known, threads);
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; ++i) {
      Edge& edge = known.shortest[i];
      if (edge.weight < INF && known.component[edge.b] == known.component[i])
        edge = to_neighbour(i, &neighbour[i * listed(count)], listed(count), known);
    }
    known.bound.assign(components, INF);
    size.assign(components, 0);
    for (int64_t i = 0; i < n; ++i) {
      double& bound = known.bound[known.component[i]];
      bound = std::min(bound, known.shortest[i].weight);
      ++size[known.component[i]];
    }
    const int32_t largest = int32_t(std::max_element(size.begin(), size.end()) - size.begin());
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
    for (int64_t leaf = 0; leaf < tree.leaves(); ++leaf)
      if (!ssen::given_up(flag)) search(tree, known, leaf, effort / 2, largest);
    check(flag);

    winner.assign(components, -1);
    for (int64_t i = 0; i < n; ++i) {
      int32_t& best = winner[known.component[i]];
      if (known.component[i] == largest) continue;
      if (best < 0 || known.shortest[i].weight < known.shortest[best].weight) best = int32_t(i);
    }
    Forest forest(components);
    for (const int32_t i : winner) {
      if (i < 0) continue;
      const Edge& edge = known.shortest[i];
      const int32_t a = forest.find(known.component[edge.a]), b = forest.find(known.component[edge.b]);
      if (a == b) continue;  // its like was chosen from the other side
      forest.parent[a] = b;
      edges.push_back(edge);
    }
    const std::vector<int32_t> number = forest.numbers();
    components = int32_t(n - int64_t(edges.size()));
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; ++i) known.component[i] = number[known.component[i]];
  }
  const auto before = [](const Edge& x, const Edge& y) {
    if (x.weight != y.weight) return x.weight < y.weight;
    return x.a != y.a ? x.a < y.a : x.b < y.b;
  };
  const auto middle = edges.begin() + edges.size() / 2;
#pragma omp parallel sections num_threads(threads)
  {
    std::sort(edges.begin(), middle, before);
#pragma omp section
    std::sort(middle, edges.end(), before);
  }
  std::inplace_merge(edges.begin(), middle, edges.end(), before);
  return edges;
}

// label, probability (n) from the edges of the spanning tree; `scale` makes their lengths the input's
void select(const std::vector<Edge>& edges, int64_t n, int64_t min_cluster_size, double scale, int32_t* label,
            float* probability) {
  // Single linkage: nodes below n are points, node n + e joins the two that edge e connects.
  std::vector<int32_t> joined(2 * (n - 1)), size(2 * n - 1, 1), top(n);
  std::iota(top.begin(), top.end(), 0);
  Forest forest(n);
  for (int64_t e = 0; e < n - 1; ++e) {
    const int32_t a = forest.find(edges[e].a), b = forest.find(edges[e].b);
    joined[2 * e] = top[a];
    joined[2 * e + 1] = top[b];
    size[n + e] = size[top[a]] + size[top[b]];
    forest.parent[a] = b;
    top[b] = int32_t(n + e);
  }

  // Condensed, from the root down. lambda is 1 / distance; a node that has left its cluster has done so for good.
  constexpr double STAYS = -1;
  struct Cluster {
    int32_t parent;
    double birth;      // lambda
    double death = 0;  // largest lambda at which a point or a cluster leaves it
    double stability = 0, stability_below = 0;
  };
  std::vector<Cluster> clusters = {{-1, 0}};
  std::vector<int32_t> cluster(2 * n - 1, 0);
  std::vector<double> leaves_at(2 * n - 1, STAYS);
  for (int64_t node = 2 * n - 2; node >= n; --node) {
    const int32_t c = cluster[node], *children = &joined[2 * (node - n)];
    const double distance = std::sqrt(edges[node - n].weight) * scale;
    const double lambda = distance > 0 ? 1 / distance : INF;
    const bool divides = std::min(size[children[0]], size[children[1]]) >= min_cluster_size;
    for (int side = 0; side < 2; ++side) {
      const int32_t child = children[side];
      cluster[child] = c;
      leaves_at[child] = leaves_at[node];
      if (leaves_at[node] != STAYS || (!divides && size[child] >= min_cluster_size)) continue;
      clusters[c].stability += (lambda - clusters[c].birth) * size[child];
      clusters[c].death = std::max(clusters[c].death, lambda);
      if (divides) {
        cluster[child] = int32_t(clusters.size());
        clusters.push_back({c, lambda});
      } else {
        leaves_at[child] = lambda;
      }
    }
  }

  // Excess of mass: a cluster is taken unless those below it are worth more together. Children follow parents.
  std::vector<char> worth(clusters.size(), 0);
  for (size_t c = clusters.size() - 1; c > 0; --c) {
    worth[c] = !(clusters[c].stability_below > clusters[c].stability);
    clusters[clusters[c].parent].stability_below += worth[c] ? clusters[c].stability : clusters[c].stability_below;
  }
  std::vector<int32_t> taken(clusters.size(), 0), number(clusters.size(), -1);  // the one it lies in; 0, the root: none
  int32_t count = 0;
  for (size_t c = 1; c < clusters.size(); ++c) {
    taken[c] = taken[clusters[c].parent];
    if (taken[c] == 0 && worth[c]) {
      taken[c] = int32_t(c);
      number[c] = count++;
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    const int32_t c = taken[cluster[i]];
    const double death = clusters[c].death;
    label[i] = number[c];
    probability[i] = c == 0 ? 0 : leaves_at[i] < death ? float(leaves_at[i] / death) : 1;
  }
}

}  // namespace

// label (n) from 0, -1 for noise, and probability (n) of points (n, d).
// effort: leaves that a search for neighbours sees, one for an edge half as many; 0: all that matter. threads: 0 for
// OpenMP's default. Returns 0, 1 for arguments out of range, 2 where memory is short, 3 where it was given up.
extern "C" int32_t ssen_hdbscan(const float* points, int64_t n, int32_t d, int64_t min_cluster_size,
                                int32_t min_samples, int32_t effort, int32_t threads, int32_t* label,
                                float* probability) {
  if (n < 0 || n > int64_t(1) << 30 || d < 1 || min_cluster_size < 2 || min_samples < 1 || effort < 0 || threads < 0)
    return 1;
  std::fill(label, label + n, -1);
  std::fill(probability, probability + n, 0.0f);
  if (n < 2) return 0;
#if defined(_OPENMP)
  if (threads == 0) threads = omp_get_max_threads();
#endif
  threads = int32_t(std::min<int64_t>(std::max(1, threads), 1 + n / 4096));  // more would wait for each other
  if (effort == 0) effort = std::numeric_limits<int32_t>::max();
  try {
    float most = 0;
    for (int64_t i = 0; i < n * d; ++i) {
      if (!std::isfinite(points[i])) return 1;
      most = std::max(most, std::fabs(points[i]));
    }
    // By a power of two, which rounds nothing, to where squares of all differences neither overflow nor vanish.
    const double scale = std::ldexp(1.0, most > 0 ? 59 - std::ilogb(double(d)) / 2 - std::ilogb(most) : 0);

    Tree tree = build(points, scale, n, d, threads);
    const volatile int32_t* const flag = ssen::watched();
    const int count = int(std::min<int64_t>(min_samples, n - 1));
    check(flag);
    const std::vector<Edge> edges = spanning_tree(tree, count, effort, threads, flag);
    std::vector<int32_t> label_of(n);
    std::vector<float> probability_of(n);
    select(edges, n, min_cluster_size, 1 / scale, label_of.data(), probability_of.data());
    for (int64_t i = 0; i < n; ++i) {
      label[tree.row[i]] = label_of[i];
      probability[tree.row[i]] = probability_of[i];
    }
    return 0;
  } catch (const std::bad_alloc&) {
    return 2;
  } catch (const GivenUp&) {
    return 3;
  }
}
