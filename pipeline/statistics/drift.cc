// The test of Kolmogorov and Smirnov.
#include "pipeline/statistics/drift.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace pipeline {
namespace {

constexpr double kMostPairs = 1e8;

// Of ascending lists: the greatest |i / m - j / n|, times m n.
int64_t Distance(const std::vector<double>& first, const std::vector<double>& second) {
  const auto m = static_cast<int64_t>(first.size()), n = static_cast<int64_t>(second.size());
  int64_t greatest = 0;
  for (int64_t i = 0, j = 0; i < m && j < n;) {
    const double value = std::min(first[i], second[j]);
    while (i < m && first[i] == value) ++i;
    while (j < n && second[j] == value) ++j;
    greatest = std::max(greatest, std::abs(i * n - j * m));
  }
  return greatest;
}

// The share of orders of m and n values whose distance is `distance` or more somewhere. Row by row:
// the share among the orders of the first i and j, whose last value is of the first list with the
// chance i / (i + j).
double Exact(int64_t m, int64_t n, int64_t distance) {
  std::vector<double> touched(n + 1, 0);
  for (int64_t i = 0; i <= m; ++i) {
    for (int64_t j = 0; j <= n; ++j) {
      if (std::abs(i * n - j * m) >= distance) {
        touched[j] = 1;
      } else if (i + j > 0) {
        const double last = static_cast<double>(i) / static_cast<double>(i + j);
        const double before = j > 0 ? touched[j - 1] : 0;
        touched[j] = last * touched[j] + (1 - last) * before;
      }
    }
  }
  return touched[n];
}

double Limit(double lambda) {
  double sum = 0;
  for (int k = 1; k <= 100; ++k) {
    sum += (k % 2 == 1 ? 2 : -2) * std::exp(-2 * k * k * lambda * lambda);
  }
  return lambda < 0.2 ? 1 : std::clamp(sum, 0.0, 1.0);  // below, 1 but for 1e-12
}

}  // namespace

KolmogorovSmirnov KolmogorovSmirnovTest(std::vector<double> first, std::vector<double> second) {
  for (auto* values : {&first, &second}) {
    bool defined = !values->empty();
    for (const double value : *values) defined = defined && !std::isnan(value);
    if (!defined) return {NAN, NAN};
    std::sort(values->begin(), values->end());
  }
  const auto m = static_cast<int64_t>(first.size()), n = static_cast<int64_t>(second.size());
  const double pairs = static_cast<double>(m) * static_cast<double>(n);
  const int64_t distance = Distance(first, second);
  KolmogorovSmirnov test;
  test.distance = static_cast<double>(distance) / pairs;
  if (distance == 0) return test;
  test.p = pairs <= kMostPairs
               ? Exact(m, n, distance)
               : Limit(test.distance * std::sqrt(pairs / static_cast<double>(m + n)));
  return test;
}

}  // namespace pipeline
