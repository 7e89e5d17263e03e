// Disjoint sets of numbers, for what belongs together by pairs.
#ifndef DATASETS_SPLIT_SETS_H_
#define DATASETS_SPLIT_SETS_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <vector>

namespace datasets {

// Of the numbers below `count`, each alone at first.
class Sets {
 public:
  explicit Sets(size_t count) : parents_(count) {
    std::iota(parents_.begin(), parents_.end(), size_t{0});
  }
  // The smallest number of the set.
  size_t Root(size_t i) {
    while (parents_[i] != i) i = parents_[i] = parents_[parents_[i]];
    return i;
  }
  void Join(size_t i, size_t j) {
    const auto [first, last] = std::minmax({Root(i), Root(j)});
    parents_[last] = first;
  }

 private:
  std::vector<size_t> parents_;
};

// The same for many threads at a time: each number points to a smaller one of its set.
class SharedSets {
 public:
  explicit SharedSets(size_t count) : parents_(count) {
    for (size_t i = 0; i < count; ++i) parents_[i].store(i, std::memory_order_relaxed);
  }
  // The smallest number of the set, of those that were joined so far.
  size_t Root(size_t i) const {
    for (size_t parent = Parent(i); parent != i; parent = Parent(i)) {
      const size_t above = Parent(parent);
      if (above != parent) parents_[i].compare_exchange_weak(parent, above);
      i = above;
    }
    return i;
  }
  void Join(size_t i, size_t j) {
    for (;;) {
      const auto [first, last] = std::minmax({Root(i), Root(j)});
      size_t expected = last;
      if (first == last || parents_[last].compare_exchange_strong(expected, first)) return;
    }
  }

 private:
  size_t Parent(size_t i) const { return parents_[i].load(std::memory_order_relaxed); }

  mutable std::vector<std::atomic<size_t>> parents_;
};

}  // namespace datasets

#endif  // DATASETS_SPLIT_SETS_H_
