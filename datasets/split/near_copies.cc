// Looks of one hash are clustered first; near hashes then connect clusters.
#include "datasets/split/near_copies.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "datasets/split/near_hashes.h"
#include "datasets/split/sets.h"
#include "pipeline/all_cores.h"

namespace datasets {
namespace {

constexpr size_t kMaxLeaders = 64;
constexpr size_t kClustersAtOnce = 16;  // compared with the others by one thread

using Cluster = std::vector<size_t>;  // of looks that are connected

class Connecting {
 public:
  Connecting(const std::vector<Look>& looks,
             const std::function<bool(size_t i, size_t j)>& correlate)
      : looks_(looks), correlate_(correlate), sets_(looks.size()) {}

  void Connect() {
    GroupByHash();
    clusters_.resize(hashes_.size());
    pipeline::OnAllCores(hashes_.size(), [&](size_t i) { FindClusters(i); });
    for (const auto& clusters : clusters_) ConnectWithin(clusters);
    ForNearPairs(hashes_, [&](uint32_t i, uint32_t j) {
      for (const Cluster& a : clusters_[i]) {
        for (const Cluster& b : clusters_[j]) ConnectClusters(a, b);
      }
    });
  }

  std::vector<size_t> Roots() const {
    std::vector<size_t> roots(looks_.size());
    for (size_t i = 0; i < roots.size(); ++i) roots[i] = sets_.Root(i);
    return roots;
  }

 private:
  bool AreNear(size_t i, size_t j) const {
    return MayCorrelate(looks_[i], looks_[j]) && correlate_(i, j);
  }

  void GroupByHash() {
    std::vector<size_t> order;
    for (size_t i = 0; i < looks_.size(); ++i) {
      if (!looks_[i].flat) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return looks_[a].hash < looks_[b].hash; });
    for (const size_t i : order) {
      if (hashes_.empty() || hashes_.back() != looks_[i].hash) {
        hashes_.push_back(looks_[i].hash);
        members_.emplace_back();
      }
      members_.back().push_back(i);
    }
  }

  // Of the looks of a hash: the first that is left leads all that are near it. After so many
  // leaders hardly any are, and each is a cluster of its own.
  void FindClusters(size_t hash) {
    std::vector<size_t>& left = members_[hash];
    std::vector<Cluster>& clusters = clusters_[hash];
    while (!left.empty() && clusters.size() < kMaxLeaders) {
      const size_t leader = left[0];
      const auto others = std::stable_partition(left.begin() + 1, left.end(),
                                                [&](size_t i) { return AreNear(leader, i); });
      clusters.emplace_back(left.begin(), others);
      for (const size_t i : clusters.back()) sets_.Join(leader, i);
      left.erase(left.begin(), others);
    }
    for (const size_t i : left) clusters.push_back({i});
    left = {};
  }

  void ConnectWithin(const std::vector<Cluster>& clusters) {
    if (clusters.size() < 2) return;
    const auto compare = [&](size_t part) {
      const size_t end = std::min(clusters.size(), (part + 1) * kClustersAtOnce);
      for (size_t a = part * kClustersAtOnce; a < end; ++a) {
        for (size_t b = a + 1; b < clusters.size(); ++b) {
          ConnectClusters(clusters[a], clusters[b]);
        }
      }
    };
    pipeline::OnAllCores((clusters.size() + kClustersAtOnce - 1) / kClustersAtOnce, compare);
  }

  void ConnectClusters(const Cluster& a, const Cluster& b) {
    if (sets_.Root(a[0]) == sets_.Root(b[0])) return;
    for (const size_t i : a) {
      for (const size_t j : b) {
        if (AreNear(i, j)) return sets_.Join(i, j);
      }
    }
  }

  const std::vector<Look>& looks_;
  const std::function<bool(size_t i, size_t j)>& correlate_;
  SharedSets sets_;
  std::vector<uint64_t> hashes_;              // each once
  std::vector<std::vector<size_t>> members_;  // looks of each hash
  std::vector<std::vector<Cluster>> clusters_;
};

}  // namespace

std::vector<size_t> ConnectNear(const std::vector<Look>& looks,
                                const std::function<bool(size_t i, size_t j)>& correlate) {
  Connecting connecting(looks, correlate);
  connecting.Connect();
  return connecting.Roots();
}

}  // namespace datasets
