// Disjoint sets of numbers, for what belongs together by pairs.
#ifndef DATASETS_SPLIT_SETS_H_
#define DATASETS_SPLIT_SETS_H_

#include <algorithm>
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

}  // namespace datasets

#endif  // DATASETS_SPLIT_SETS_H_
