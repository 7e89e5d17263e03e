// Mean ranks and Friedman's test.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "pipeline/statistics/distributions.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/ranks.h"

namespace pipeline {
namespace {

constexpr int64_t kPermutations = 9999;
// Steps within which the permutations are counted instead.
constexpr double kMostSteps = 5e6;

// Twice the mean ranks, which are whole; 2 is the best alone.
using DoubledRanks = std::vector<int64_t>;

DoubledRanks DoubledRanksOf(const std::vector<double>& scores) {
  std::vector<double> values;
  for (const double score : scores) {
    if (std::isnan(score)) std::abort();
    values.push_back(Comparable(score));
  }
  DoubledRanks ranks;
  for (const double value : values) {
    int64_t above = 0, equal = 0;
    for (const double other : values) {
      above += other > value;
      equal += other == value;
    }
    ranks.push_back(2 * above + equal + 1);
  }
  return ranks;
}

int64_t SumOfSquares(const std::vector<int64_t>& values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), int64_t{0});
}

// The sum of t^3 - t over groups of equal ranks.
double TieLoss(const DoubledRanks& ranks) {
  std::map<int64_t, double> groups;
  for (const int64_t rank : ranks) ++groups[rank];
  double sum = 0;
  for (const auto& [rank, count] : groups) sum += count * count * count - count;
  return sum;
}

class Permutations {
 public:
  Permutations(const std::vector<DoubledRanks>& datasets, const PhiloxKey& key)
      : datasets_(datasets), key_(key) {
    DoubledRanks sums(datasets[0].size());
    for (const DoubledRanks& ranks : datasets) {
      for (size_t j = 0; j < ranks.size(); ++j) sums[j] += ranks[j];
    }
    observed_ = SumOfSquares(sums);
  }

  // The chance of a sum of squares at least as great, and whether it was counted.
  std::pair<double, bool> P() const {
    double steps = 0;
    // Sorted sums after some datasets: what matters is not which method has which.
    std::map<DoubledRanks, double> chances;
    DoubledRanks first = datasets_[0];
    std::sort(first.begin(), first.end());
    chances[first] = 1;
    for (size_t d = 1; d < datasets_.size(); ++d) {
      const double orders = DistinctOrders(datasets_[d]);
      steps += static_cast<double>(chances.size()) * orders * static_cast<double>(first.size());
      if (steps > kMostSteps) return {Sampled(), false};
      chances = After(chances, datasets_[d], orders);
    }
    double p = 0;
    for (const auto& [sums, chance] : chances) {
      if (SumOfSquares(sums) >= observed_) p += chance;
    }
    return {std::min(1.0, p), true};
  }

 private:
  static double DistinctOrders(const DoubledRanks& ranks) {
    std::map<int64_t, double> groups;
    double orders = 1, placed = 0;
    for (const int64_t rank : ranks) orders *= ++placed / ++groups[rank];
    return std::round(orders);
  }

  static std::map<DoubledRanks, double> After(const std::map<DoubledRanks, double>& chances,
                                              DoubledRanks ranks, double orders) {
    std::map<DoubledRanks, double> next;
    std::sort(ranks.begin(), ranks.end());
    do {
      for (const auto& [sums, chance] : chances) {
        DoubledRanks together = sums;
        for (size_t j = 0; j < ranks.size(); ++j) together[j] += ranks[j];
        std::sort(together.begin(), together.end());
        next[together] += chance / orders;
      }
    } while (std::next_permutation(ranks.begin(), ranks.end()));
    return next;
  }

  double Sampled() const {
    int64_t as_great = 0;
    for (int64_t b = 0; b < kPermutations; ++b) {
      PhiloxStream stream(key_, b);
      DoubledRanks sums(datasets_[0].size());
      for (DoubledRanks ranks : datasets_) {
        for (size_t k = ranks.size(); k > 1; --k) {
          std::swap(ranks[k - 1], ranks[stream.Below(static_cast<int64_t>(k))]);
        }
        for (size_t j = 0; j < ranks.size(); ++j) sums[j] += ranks[j];
      }
      as_great += SumOfSquares(sums) >= observed_;
    }
    return static_cast<double>(1 + as_great) / static_cast<double>(1 + kPermutations);
  }

  const std::vector<DoubledRanks>& datasets_;
  const PhiloxKey key_;
  int64_t observed_ = 0;
};

}  // namespace

std::vector<double> MeanRanks(const std::vector<double>& scores) {
  std::vector<double> ranks;
  for (const int64_t rank : DoubledRanksOf(scores)) ranks.push_back(static_cast<double>(rank) / 2);
  return ranks;
}

Friedman FriedmanTest(const DatasetScores& scores, const PhiloxKey& key) {
  if (scores.empty() || scores[0].empty()) std::abort();
  std::vector<DoubledRanks> datasets;
  double tie_loss = 0;
  const double n = static_cast<double>(scores.size()), k = static_cast<double>(scores[0].size());
  Friedman test;
  test.ranks.assign(scores[0].size(), 0);
  for (const std::vector<double>& row : scores) {
    if (row.size() != scores[0].size()) std::abort();
    datasets.push_back(DoubledRanksOf(row));
    tie_loss += TieLoss(datasets.back());
    for (size_t j = 0; j < row.size(); ++j) {
      test.ranks[j] += static_cast<double>(datasets.back()[j]) / (2 * n);
    }
  }
  const double correction = 1 - tie_loss / (n * k * (k * k - 1));
  if (k < 2 || Comparable(correction) == 0) return test;
  double squares = 0;
  for (const double rank : test.ranks) squares += rank * rank;
  test.chi_squared = 12 * n / (k * (k + 1)) * (squares - k * (k + 1) * (k + 1) / 4) / correction;
  test.chi_squared = std::max(0.0, test.chi_squared);
  test.chi_squared_p = ChiSquaredTail(test.chi_squared, k - 1);
  const double rest = n * (k - 1) - test.chi_squared;
  if (rest < 1e-9 * n * k) {
    test.f = INFINITY;
    test.f_p = std::exp(std::lgamma(k + 1) * (1 - n));
  } else {
    test.f = (n - 1) * test.chi_squared / rest;
    test.f_p = n > 1 ? FTail(test.f, k - 1, (k - 1) * (n - 1)) : 1;
  }
  std::tie(test.permutation_p, test.exact) = Permutations(datasets, key).P();
  return test;
}

}  // namespace pipeline
