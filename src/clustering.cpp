// HDBSCAN (Campello, Moulavi, Sander 2013) of single-precision points, as the hdbscan library defines it:
// the core distance is that to the min_samples-th other point, selection is by excess of mass, and the
// root is never a cluster.
//
// Exact save for rounding, and fast by three means: a k-d tree of eight children a node whose boxes, and
// of eight points a block whose distances, are computed in one go; Borůvka's rounds that try the
// neighbours already known before they search; and no search from the largest component.
// Searches run in single precision with some slack; what decides is computed in double.
// The answer does not depend on the number of threads: of equally short edges the one from the point
// that is first in the tree wins, and a bound that another thread has lowered prunes only what is longer.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

// The two searches are compiled twice; the processor decides which is called.
#if defined(__x86_64__)
#define SSEN_AVX2 __attribute__((target("avx2,fma")))
#define SSEN_HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#else
#define SSEN_AVX2
#define SSEN_HAS_AVX2 false
#endif
#define SSEN_INLINE inline __attribute__((always_inline))

#ifdef PROFILE
#include <cstdio>
static double t_last;
#include <time.h>
static double cpu(){timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID,&t); return t.tv_sec+1e-9*t.tv_nsec;}
#define PROF(x) { double t = cpu(); fprintf(stderr, "%s %.3f\n", x, t - t_last); t_last = t; }
#else
#define PROF(x)
#endif
namespace {

constexpr int kLanes = 8;
constexpr int kLeaf = 32;  // most points of a leaf
constexpr int kBlocks = kLeaf / kLanes;
constexpr int kMaxLevels = 12;
constexpr int64_t kBatches = 16;  // of a round's searches; each knows what those before it found
constexpr float kSlack = 1.0f + 1e-5f;  // over the rounding of a squared distance in single precision
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int32_t kMixed = -1;

typedef float Lanes __attribute__((vector_size(4 * kLanes), may_alias));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes), may_alias));

// What is stored of them: containers ignore the alignment of a vector type, not that of a struct.
struct alignas(4 * kLanes) Floats {
  float lane[kLanes];
};
struct alignas(4 * kLanes) Labels {
  int32_t lane[kLanes];
};

SSEN_INLINE const Lanes& load(const Floats& stored) { return reinterpret_cast<const Lanes&>(stored); }
SSEN_INLINE const Ints& load(const Labels& stored) { return reinterpret_cast<const Ints&>(stored); }

SSEN_INLINE bool any(const Ints& mask) {
  typedef int64_t Pairs __attribute__((vector_size(4 * kLanes), may_alias));
  const Pairs pairs = reinterpret_cast<const Pairs&>(mask);
  return (pairs[0] | pairs[1] | pairs[2] | pairs[3]) != 0;
}

// A balanced k-d tree. Leaf l holds the points [first(l), first(l + 1)) in the tree's own order; node m of
// level h has the children 8 m .. 8 m + 7 of level h - 1, level 0 being the leaves.
struct Tree {
  int64_t n;
  int d;
  int depth;  // of the leaves, in halvings
  int64_t leaves;
  int levels;                               // of nodes above the leaves, at least one
  std::vector<int32_t> row;                 // (n) of the input, by position in the tree
  std::vector<float> point;                 // (n, d) by position
  std::vector<Floats> block;                // (leaves, d, kBlocks) coordinates; +inf where there is no point
  std::vector<Floats> box[kMaxLevels];      // level h >= 1: (nodes, 2, d) low and high ends of the children
  std::vector<Floats> nearest[kMaxLevels];  // (nodes) least squared core distance below each child
  std::vector<Labels> component[kMaxLevels];  // (nodes) the one component below each child, or kMixed

  int64_t first(int64_t leaf) const { return leaf * n >> depth; }
  int64_t nodes(int level) const { return std::max<int64_t>(1, leaves >> (3 * level)); }
  int children(int level) const { return int(std::min<int64_t>(8, nodes(level - 1))); }  // of each node

  double squared_distance(int64_t a, int64_t b) const {
    double sum = 0;
    for (int k = 0; k < d; k++) {
      const double difference = double(point[a * d + k]) - double(point[b * d + k]);
      sum += difference * difference;
    }
    return sum;
  }
};

int thread() {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

typedef std::pair<float, int32_t> Keyed;

// The dimension in which a sample of the points spreads most.
int widest(const float* points, int d, const Keyed* entry, int64_t count) {
  const int64_t step = std::max<int64_t>(1, count / 256);
  int best = 0;
  double most = -1;
  for (int k = 0; k < d; k++) {
    double sum = 0, squares = 0, seen = 0;
    for (int64_t i = 0; i < count; i += step, seen++) {
      const double x = points[int64_t(entry[i].second) * d + k];
      sum += x;
      squares += x * x;
    }
    const double variance = squares / seen - (sum / seen) * (sum / seen);
    if (variance > most) most = variance, best = k;
  }
  return best;
}

void split(const Tree& tree, const float* points, Keyed* entry, int64_t leaf, int64_t count) {
  if (count == 1) return;
  const int64_t begin = tree.first(leaf), middle = tree.first(leaf + count / 2), end = tree.first(leaf + count);
  const int k = widest(points, tree.d, entry + begin, end - begin);
  for (int64_t i = begin; i < end; i++) entry[i].first = points[int64_t(entry[i].second) * tree.d + k];
  std::nth_element(entry + begin, entry + middle, entry + end);
#pragma omp task if (end - begin > 4096)
  split(tree, points, entry, leaf, count / 2);
  split(tree, points, entry, leaf + count / 2, count / 2);
#pragma omp taskwait
}

Tree build(const std::vector<float>& points, int64_t n, int d, int threads) {
  Tree tree;
  tree.n = n;
  tree.d = d;
  tree.depth = 0;
  while (n > int64_t(kLeaf) << tree.depth) tree.depth++;
  tree.leaves = int64_t(1) << tree.depth;
  tree.levels = std::max(1, (tree.depth + 2) / 3);

  std::vector<Keyed> entry(n);
  for (int64_t i = 0; i < n; i++) entry[i] = {0.0f, int32_t(i)};
#pragma omp parallel num_threads(threads)
#pragma omp single
  split(tree, points.data(), entry.data(), 0, tree.leaves);

  Floats nowhere;
  std::fill(nowhere.lane, nowhere.lane + kLanes, kInf);
  tree.row.resize(n);
  tree.point.resize(n * d);
  tree.block.assign(tree.leaves * kBlocks * d, nowhere);
  for (int h = 1; h <= tree.levels; h++) {
    tree.box[h].assign(tree.nodes(h) * 2 * d, nowhere);  // (low, high) = (inf, inf): infinitely far
    tree.nearest[h].assign(tree.nodes(h), Floats{});
    tree.component[h].resize(tree.nodes(h));
  }
#pragma omp parallel for num_threads(threads)
  for (int64_t leaf = 0; leaf < tree.leaves; leaf++) {
    const int64_t begin = tree.first(leaf), end = tree.first(leaf + 1);
    Floats* box = &tree.box[1][leaf / 8 * 2 * d];
    for (int64_t i = begin; i < end; i++) {
      const int64_t at = i - begin;
      tree.row[i] = entry[i].second;
      for (int k = 0; k < d; k++) {
        const float x = points[int64_t(entry[i].second) * d + k];
        tree.point[i * d + k] = x;
        tree.block[(leaf * d + k) * kBlocks + at / kLanes].lane[at % kLanes] = x;
        float& low = box[k].lane[leaf % 8];
        float& high = box[d + k].lane[leaf % 8];
        low = at ? std::min(low, x) : x;
        high = at ? std::max(high, x) : x;
      }
    }
  }
  for (int h = 2; h <= tree.levels; h++) {
    for (int64_t child = 0; child < tree.nodes(h - 1); child++) {
      const Floats* below = &tree.box[h - 1][child * 2 * d];
      Floats* here = &tree.box[h][child / 8 * 2 * d];
      for (int k = 0; k < d; k++) {
        here[k].lane[child % 8] = *std::min_element(below[k].lane, below[k].lane + tree.children(h - 1));
        here[d + k].lane[child % 8] =
            *std::max_element(below[d + k].lane, below[d + k].lane + tree.children(h - 1));
      }
    }
  }
  return tree;
}

// Squared distances from a point to the boxes of a node's children.
SSEN_INLINE Lanes to_boxes(const Floats* box, const float* q, int d) {
  Lanes sum = {};
  for (int k = 0; k < d; k++) {
    const Lanes below = load(box[k]) - q[k], above = q[k] - load(box[d + k]);
    Lanes outside = below > above ? below : above;
    outside = outside > 0.0f ? outside : Lanes{};
    sum += outside * outside;
  }
  return sum;
}

// Squared distances from a point to those of a leaf.
SSEN_INLINE void to_points(const Floats* block, const float* q, int d, Lanes* distance) {
  Lanes sum[kBlocks] = {};
  for (int k = 0; k < d; k++) {
    for (int b = 0; b < kBlocks; b++) {
      const Lanes difference = load(block[k * kBlocks + b]) - q[k];
      sum[b] += difference * difference;
    }
  }
  for (int b = 0; b < kBlocks; b++) distance[b] = sum[b];
}

// Hands the leaves to `scan(leaf)`, of each node's children the nearer first, save those that are no nearer
// than the squared distance `bound()`; stops when `effort` leaves were scanned and it is `enough()`.
// `adjust(level, node, distances)` raises the distances of children of which more is known than the box.
template <class Bound, class Enough, class Adjust, class Scan>
SSEN_INLINE void visit(const Tree& tree, const float* q, int d, int effort, Bound bound, Enough enough,
                       Adjust adjust, Scan scan) {
  struct Waiting {
    float distance;
    int32_t level;
    int64_t node;
  } stack[kLanes * kMaxLevels];
  int depth = 0;
  stack[depth++] = {0.0f, tree.levels, 0};
  while (depth) {
    const Waiting next = stack[--depth];
    if (!(next.distance < bound())) continue;
    if (next.level == 0) {
      if (effort-- <= 0 && enough()) return;
      scan(next.node);
      continue;
    }
    const Lanes to = adjust(next.level, next.node, to_boxes(&tree.box[next.level][next.node * 2 * d], q, d));
    const float limit = bound();
    if (!any(to < limit)) continue;
    const int bottom = depth;
    for (int c = kLanes - 1; c >= 0; c--) {
      if (!(to[c] < limit)) continue;
      int at = depth++;
      for (; at > bottom && stack[at - 1].distance < to[c]; at--) stack[at] = stack[at - 1];
      stack[at] = {to[c], next.level - 1, kLanes * next.node + c};
    }
  }
}

// The `count` nearest other points of point i, nearest first.
SSEN_INLINE void neighbours_of(const Tree& tree, int64_t i, int d, int count, int effort,
                               float* distance, int32_t* found) {
  const float* q = &tree.point[i * d];
  std::fill(distance, distance + count, std::numeric_limits<float>::max());
  const float& furthest = distance[count - 1];
  visit(
      tree, q, d, effort, [&] { return furthest; },
      [&] { return furthest < std::numeric_limits<float>::max(); },
      [](int, int64_t, const Lanes& to) { return to; },
      [&](int64_t leaf) {
        Lanes to[kBlocks];
        to_points(&tree.block[leaf * d * kBlocks], q, d, to);
        const int64_t begin = tree.first(leaf);
        for (int b = 0; b < kBlocks; b++) {
          if (!any(to[b] < furthest)) continue;
          for (int c = 0; c < kLanes; c++) {
            const int64_t j = begin + b * kLanes + c;
            if (!(to[b][c] < furthest) || j == i) continue;
            int at = count - 1;
            for (; at > 0 && distance[at - 1] > to[b][c]; at--) {
              distance[at] = distance[at - 1];
              found[at] = found[at - 1];
            }
            distance[at] = to[b][c];
            found[at] = int32_t(j);
          }
        }
      });
}

SSEN_INLINE void neighbours_of_leaf(const Tree& tree, int64_t leaf, int d, int count, int effort,
                                    float* scratch, int32_t* found) {
  for (int64_t i = tree.first(leaf); i < tree.first(leaf + 1); i++)
    neighbours_of(tree, i, d, count, effort, scratch, found + i * count);
}

// The usual width is worth unrolled loops.
SSEN_AVX2 void neighbours_avx2(const Tree& tree, int64_t leaf, int count, int effort, float* scratch,
                               int32_t* found) {
  tree.d == 8 ? neighbours_of_leaf(tree, leaf, 8, count, effort, scratch, found)
              : neighbours_of_leaf(tree, leaf, tree.d, count, effort, scratch, found);
}

void neighbours(const Tree& tree, int64_t leaf, int count, int effort, float* scratch, int32_t* found) {
  SSEN_HAS_AVX2 ? neighbours_avx2(tree, leaf, count, effort, scratch, found)
                : neighbours_of_leaf(tree, leaf, tree.d, count, effort, scratch, found);
}

struct Edge {
  double weight;  // squared mutual reachability distance
  int32_t a, b;   // positions in the tree
};

bool shorter(const Edge& x, const Edge& y) {
  if (x.weight != y.weight) return x.weight < y.weight;
  return x.a != y.a ? x.a < y.a : x.b < y.b;
}

struct Forest {
  std::vector<int32_t> parent;
  explicit Forest(int64_t n) : parent(n) { std::iota(parent.begin(), parent.end(), 0); }
  int32_t find(int32_t x) {
    while (parent[x] != x) x = parent[x] = parent[parent[x]];
    return x;
  }
};

// What the rounds of Borůvka's algorithm know.
struct Known {
  std::vector<double> core;        // (n) squared core distances
  std::vector<int32_t> component;  // (n) of each point
  std::vector<double> settled;     // (n) no edge from the point out of its component is shorter
  std::vector<Edge> shortest;      // (n) known edge from the point out of its component; to itself: none
  std::vector<double> bound;       // (n) by component: the shortest known edge out of it
};

// The squared distance in single precision below which everything up to `squared` is sure to lie.
SSEN_INLINE float reach(double squared) { return float(squared) * kSlack + std::numeric_limits<float>::min(); }

SSEN_INLINE void search_from(const Tree& tree, Known& known, int64_t i, int d, int effort) {
  const float* q = &tree.point[i * d];
  const int32_t own = known.component[i];
  Edge& best = known.shortest[i];
  double limit = std::min(best.weight, known.bound[own]);
  visit(
      tree, q, d, effort, [&] { return reach(limit); }, [&] { return limit < kInf; },
      [&](int level, int64_t node, const Lanes& to) {
        const Lanes core = load(tree.nearest[level][node]);
        const Lanes further = to > core ? to : core;
        return load(tree.component[level][node]) == own ? Lanes{} + kInf : further;
      },
      [&](int64_t leaf) {
        Lanes to[kBlocks];
        to_points(&tree.block[leaf * d * kBlocks], q, d, to);
        const int64_t begin = tree.first(leaf);
        for (int b = 0; b < kBlocks; b++) {
          if (!any(to[b] < reach(limit))) continue;
          for (int c = 0; c < kLanes; c++) {
            if (!(to[b][c] < reach(limit))) continue;
            const int64_t j = begin + b * kLanes + c;
            if (known.component[j] == own) continue;
            const double weight =
                std::max(std::max(known.core[i], known.core[j]), tree.squared_distance(i, j));
            if (weight >= best.weight) continue;
            best = {weight, int32_t(i), int32_t(j)};
            limit = std::min(limit, weight);
          }
        }
      });
  known.settled[i] = std::max(known.settled[i], limit);
}

SSEN_INLINE void search_from_leaf(const Tree& tree, Known& known, int64_t leaf, int d, int effort,
                                  int32_t spared) {
  for (int64_t i = tree.first(leaf); i < tree.first(leaf + 1); i++) {
    const int32_t own = known.component[i];
    const double settled = known.settled[i];
    if (own != spared && settled < known.bound[own] && settled < known.shortest[i].weight)
      search_from(tree, known, i, d, effort);
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

void set_components(Tree& tree, const std::vector<int32_t>& component, int threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t leaf = 0; leaf < tree.leaves; leaf++) {
    const int32_t* begin = &component[tree.first(leaf)];
    const int32_t* end = &component[0] + tree.first(leaf + 1);
    const bool same = std::all_of(begin, end, [&](int32_t c) { return c == *begin; });
    tree.component[1][leaf / 8].lane[leaf % 8] = same ? *begin : kMixed;
  }
  for (int h = 2; h <= tree.levels; h++)
    for (int64_t child = 0; child < tree.nodes(h - 1); child++) {
      const int32_t* below = tree.component[h - 1][child].lane;
      const bool same =
          std::all_of(below, below + tree.children(h - 1), [&](int32_t c) { return c == *below; });
      tree.component[h][child / 8].lane[child % 8] = same ? *below : kMixed;
    }
}

void set_nearest(Tree& tree, const std::vector<double>& core) {
  for (int64_t leaf = 0; leaf < tree.leaves; leaf++)
    tree.nearest[1][leaf / 8].lane[leaf % 8] =
        float(*std::min_element(core.begin() + tree.first(leaf), core.begin() + tree.first(leaf + 1)));
  for (int h = 2; h <= tree.levels; h++)
    for (int64_t child = 0; child < tree.nodes(h - 1); child++) {
      const float* below = tree.nearest[h - 1][child].lane;
      tree.nearest[h][child / 8].lane[child % 8] = *std::min_element(below, below + tree.children(h - 1));
    }
}

// The shortest edge from a point to one of its neighbours outside its component. The edge to the k-th
// neighbour is no longer than the core distance of the point, so the two core distances decide.
Edge to_neighbour(int64_t i, const int32_t* neighbour, int count, const Known& known) {
  const std::vector<double>& core = known.core;
  Edge best = {kInf, int32_t(i), int32_t(i)};
  for (int k = 0; k < count && best.weight > core[i]; k++) {
    const int32_t j = neighbour[k];
    const double weight = std::max(core[i], core[j]);
    if (known.component[j] != known.component[i] && weight < best.weight) best = {weight, int32_t(i), j};
  }
  return best;
}

// The edges of a minimum spanning tree of the mutual reachability distances, shortest first.
std::vector<Edge> spanning_tree(Tree& tree, int count, int effort, int threads) {
  const int64_t n = tree.n;
  std::vector<int32_t> neighbour(n * count);
  std::vector<float> scratch(int64_t(threads) * count);
  Known known;
  known.core.assign(n, 0);
#pragma omp parallel for schedule(dynamic, 16) num_threads(threads)
  for (int64_t leaf = 0; leaf < tree.leaves; leaf++) {
    neighbours(tree, leaf, count, effort, &scratch[thread() * count], neighbour.data());
    for (int64_t i = tree.first(leaf); i < tree.first(leaf + 1); i++)
      for (int k = 0; k < count; k++)
        known.core[i] = std::max(known.core[i], tree.squared_distance(i, neighbour[i * count + k]));
  }
  PROF("knn");
  set_nearest(tree, known.core);

  std::vector<Edge> edges;
  edges.reserve(n - 1);
  Forest forest(n);
  std::vector<int32_t> size(n), winner(n);
  known.component = forest.parent;
  known.settled = known.core;
  known.shortest.resize(n);
  for (int64_t i = 0; i < n; i++) known.shortest[i] = {kInf, int32_t(i), int32_t(i)};
  while (int64_t(edges.size()) < n - 1) {
    set_components(tree, known.component, threads);
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++)
      if (known.component[known.shortest[i].b] == known.component[i])
        known.shortest[i] = to_neighbour(i, &neighbour[i * count], count, known);
    known.bound.assign(n, kInf);
    std::fill(size.begin(), size.end(), 0);
    for (int64_t i = 0; i < n; i++) {
      double& bound = known.bound[known.component[i]];
      bound = std::min(bound, known.shortest[i].weight);
      size[known.component[i]]++;
    }
    PROF(" prepare");
    const int32_t largest = int32_t(std::max_element(size.begin(), size.end()) - size.begin());
    for (int64_t batch = 0; batch < kBatches; batch++) {
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads)
      for (int64_t leaf = batch; leaf < tree.leaves; leaf += kBatches)
        search(tree, known, leaf, effort, largest);
      for (int64_t leaf = batch; leaf < tree.leaves; leaf += kBatches)
        for (int64_t i = tree.first(leaf); i < tree.first(leaf + 1); i++) {
          double& bound = known.bound[known.component[i]];
          bound = std::min(bound, known.shortest[i].weight);
        }
    }
    PROF(" search");

    std::fill(winner.begin(), winner.end(), -1);
    for (int64_t i = 0; i < n; i++) {
      int32_t& best = winner[known.component[i]];
      if (known.component[i] != largest && (best < 0 || known.shortest[i].weight < known.shortest[best].weight))
        best = int32_t(i);
    }
    for (const int32_t i : winner) {
      if (i < 0) continue;
      const int32_t a = forest.find(known.shortest[i].a), b = forest.find(known.shortest[i].b);
      if (a == b) continue;
      forest.parent[a] = b;
      edges.push_back(known.shortest[i]);
    }
    for (int64_t i = 0; i < n; i++) known.component[i] = forest.find(int32_t(i));
    PROF(" join");
  }
  std::sort(edges.begin(), edges.end(), shorter);
  PROF("sort");
  return edges;
}

// Labels and probabilities by position in the tree, from the edges of the spanning tree.
void select(const std::vector<Edge>& edges, int64_t n, int64_t least, double scale, int32_t* label,
            float* probability) {
  // Single linkage: nodes below n are points, node n + e joins what edge e connects.
  std::vector<int32_t> left(n - 1), right(n - 1), size(2 * n - 1, 1), top(n);
  std::iota(top.begin(), top.end(), 0);
  Forest forest(n);
  for (int64_t e = 0; e < n - 1; e++) {
    const int32_t a = forest.find(edges[e].a), b = forest.find(edges[e].b);
    left[e] = top[a];
    right[e] = top[b];
    size[n + e] = size[left[e]] + size[right[e]];
    forest.parent[a] = b;
    top[b] = int32_t(n + e);
  }

  // Condensed: each node belongs to a cluster, and has left it at `lambda` (1 / distance) if that is set.
  struct Cluster {
    int32_t parent;
    double birth, stability, below, death;
    int32_t label;
  };
  std::vector<Cluster> clusters = {{-1, 0, 0, 0, 0, -1}};
  std::vector<int32_t> cluster(2 * n - 1, 0);
  std::vector<double> left_at(2 * n - 1, -1);
  for (int64_t node = 2 * n - 2; node >= n; node--) {
    const int32_t c = cluster[node], children[] = {left[node - n], right[node - n]};
    const double distance = std::sqrt(edges[node - n].weight) * scale;
    const double lambda = distance > 0 ? 1 / distance : std::numeric_limits<double>::infinity();
    const bool divides = std::min(size[children[0]], size[children[1]]) >= least;
    for (const int32_t child : children) {
      cluster[child] = c;
      left_at[child] = left_at[node];
      if (left_at[node] >= 0 || (size[child] >= least && !divides)) continue;
      clusters[c].stability += (lambda - clusters[c].birth) * size[child];
      clusters[c].death = std::max(clusters[c].death, lambda);
      if (divides) {
        cluster[child] = int32_t(clusters.size());
        clusters.push_back({c, lambda, 0, 0, 0, -1});
      } else {
        left_at[child] = lambda;
      }
    }
  }

  // Excess of mass: a cluster is kept unless those below it are worth more together. Never the root.
  std::vector<char> kept(clusters.size(), 0);
  for (int64_t c = int64_t(clusters.size()) - 1; c > 0; c--) {
    kept[c] = !(clusters[c].below > clusters[c].stability);
    clusters[clusters[c].parent].below += kept[c] ? clusters[c].stability : clusters[c].below;
  }
  int32_t count = 0;
  std::vector<int32_t> chosen(clusters.size(), 0);  // the kept cluster that a cluster lies in, or the root
  for (int64_t c = 1; c < int64_t(clusters.size()); c++) {
    chosen[c] = chosen[clusters[c].parent];
    if (chosen[c] == 0 && kept[c]) {
      chosen[c] = int32_t(c);
      clusters[c].label = count++;
    }
  }
  for (int64_t i = 0; i < n; i++) {
    const Cluster& of = clusters[chosen[cluster[i]]];
    label[i] = of.label;
    const double share = left_at[i] < of.death ? left_at[i] / of.death : 1;
    probability[i] = of.label < 0 ? 0 : float(share);
  }
}

}  // namespace

// Labels (n,) from 0, -1 being noise, and probabilities (n,) in 0..1 of the (n, d) points.
// threads: 0 for OpenMP's default. Returns 0; 1 for arguments out of range; 2 where memory is short.
extern "C" int ssen_hdbscan(const float* points, int64_t n, int32_t d, int64_t min_cluster_size,
                            int32_t min_samples, int32_t effort, int32_t threads, int32_t* label, float* probability) {
  if (n < 0 || n > (int64_t(1) << 30) || d < 1 || min_cluster_size < 2 || min_samples < 1 || threads < 0) return 1;
  try {
    if (n < 2) {
      std::fill(label, label + n, -1);
      std::fill(probability, probability + n, 0.0f);
      return 0;
    }
#ifdef _OPENMP
    if (threads == 0) threads = omp_get_max_threads();
#endif
    // To within [-1, 1], by a power of two and so without rounding: squares must not overflow.
    float most = 0;
    for (int64_t i = 0; i < n * d; i++) most = std::max(most, std::fabs(points[i]));
    const int exponent = most > 0 ? std::ilogb(most) + 1 : 0;
    std::vector<float> scaled(points, points + n * d);
    for (float& x : scaled) x = std::ldexp(x, -exponent);

    PROF("0"); Tree tree = build(scaled, n, d, threads);
    PROF("build");
    const std::vector<Edge> edges = spanning_tree(tree, int(std::min<int64_t>(min_samples, n - 1)), effort, threads);
    std::vector<int32_t> label_of(n);
    std::vector<float> probability_of(n);
    select(edges, n, min_cluster_size, std::ldexp(1.0, exponent), label_of.data(), probability_of.data());
    PROF("select");
    for (int64_t i = 0; i < n; i++) {
      label[tree.row[i]] = label_of[i];
      probability[tree.row[i]] = probability_of[i];
    }
    return 0;
  } catch (const std::bad_alloc&) {
    return 2;
  }
}
