// Wilcoxon's signed rank test.
#include "pipeline/statistics/wilcoxon.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pipeline/statistics/percentile.h"

namespace pipeline {
namespace {

// Twice the mean rank of each of ascending values, so that it is whole where values are equal.
std::vector<int64_t> DoubledRanks(const std::vector<double>& ascending) {
  std::vector<int64_t> ranks;
  for (size_t first = 0; first < ascending.size(); first = ranks.size()) {
    size_t end = first;
    while (end < ascending.size() && ascending[end] == ascending[first]) ++end;
    ranks.resize(end, static_cast<int64_t>(first + 1 + end));
  }
  return ranks;
}

// P(sum of the ranks that a fair coin picks = w), w = 0 ... their sum.
std::vector<double> SumDistribution(const std::vector<int64_t>& ranks) {
  std::vector<double> chance = {1};
  for (const int64_t rank : ranks) {
    std::vector<double> next(chance.size() + rank);
    for (size_t w = 0; w < chance.size(); ++w) {
      next[w] += chance[w] / 2;
      next[w + rank] += chance[w] / 2;
    }
    chance = next;
  }
  return chance;
}

}  // namespace

Wilcoxon WilcoxonSignedRank(const std::vector<double>& differences) {
  std::vector<double> signed_values;
  for (const double difference : differences) {
    if (std::isnan(difference)) std::abort();
    if (Comparable(difference) != 0) signed_values.push_back(Comparable(difference));
  }
  std::sort(signed_values.begin(), signed_values.end(),
            [](double a, double b) { return std::abs(a) < std::abs(b); });
  std::vector<double> sizes;
  for (const double value : signed_values) sizes.push_back(std::abs(value));
  const std::vector<int64_t> ranks = DoubledRanks(sizes);
  int64_t positive = 0, negative = 0;
  for (size_t i = 0; i < ranks.size(); ++i)
    (signed_values[i] > 0 ? positive : negative) += ranks[i];

  Wilcoxon test;
  test.used = static_cast<int64_t>(ranks.size());
  test.positive = static_cast<double>(positive) / 2;
  test.negative = static_cast<double>(negative) / 2;
  test.smallest_p = SmallestSignP(test.used);
  // The distribution is symmetric: the upper tail of the greater sum is the lower of the lesser.
  const std::vector<double> chance = SumDistribution(ranks);
  double tail = 0;
  for (int64_t w = 0; w <= std::min(positive, negative); ++w) tail += chance[w];
  test.p = std::min(1.0, 2 * tail);
  return test;
}

double SmallestSignP(int64_t n) { return std::min(1.0, std::exp2(1 - static_cast<double>(n))); }

int64_t LeastPairsFor(int64_t family, double alpha) {
  if (family < 1 || !(alpha > 0 && alpha < 1)) std::abort();
  int64_t n = 1;
  while (static_cast<double>(family) * SmallestSignP(n) > alpha) ++n;
  return n;
}

Signs SignsOf(const std::vector<double>& differences) {
  Signs signs;
  for (const double difference : differences) {
    const double value = Comparable(difference);
    ++(value > 0 ? signs.positive : value < 0 ? signs.negative : signs.zero);
  }
  return signs;
}

}  // namespace pipeline
