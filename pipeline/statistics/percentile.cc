// Quantiles and deviation of resampled values.
#include "pipeline/statistics/percentile.h"

#include <algorithm>
#include <cstdlib>

#include "pipeline/statistics/probabilities.h"

namespace pipeline {
namespace {

double OfAscending(const std::vector<double>& ascending, double share) {
  constexpr int64_t kShares = 1000000000;
  return Quantile(ascending, std::llround(share * kShares), kShares);
}

}  // namespace

Spread SpreadOf(std::vector<double> values, double level) {
  if (!(level > 0 && level < 1)) std::abort();
  const double deviation = StandardDeviation(values);
  if (std::isnan(Mean(values))) return {NAN, NAN, NAN};
  std::sort(values.begin(), values.end());
  return {OfAscending(values, (1 - level) / 2), OfAscending(values, (1 + level) / 2), deviation};
}

double QuantileOf(std::vector<double> values, double share) {
  if (std::isnan(Mean(values))) return NAN;
  std::sort(values.begin(), values.end());
  return OfAscending(values, share);
}

double StandardDeviation(const std::vector<double>& values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return values.size() < 2 ? NAN : std::sqrt(sum / static_cast<double>(values.size() - 1));
}

}  // namespace pipeline
