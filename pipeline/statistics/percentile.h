// What a list of resampled values says.
#ifndef PIPELINE_STATISTICS_PERCENTILE_H_
#define PIPELINE_STATISTICS_PERCENTILE_H_

#include <cmath>
#include <cstdint>
#include <vector>

namespace pipeline {

// The interval that leaves (1 - level) / 2 of the values on either side (quantiles of type 7), and
// their standard deviation, divisor n - 1. All NaN where a value is; `level` in (0, 1), else abort.
struct Spread {
  double low = 0, high = 0, deviation = 0;
};
Spread SpreadOf(std::vector<double> values, double level);

// The quantile of type 7 of values in any order.
double QuantileOf(std::vector<double> values, double share);

// Standard deviation, divisor n - 1; NaN of fewer than two.
double StandardDeviation(const std::vector<double>& values);

// In units of 1e-12: equal where two sums of the same numbers differ by their order only.
inline double Comparable(double value) { return std::round(value * 1e12); }

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_PERCENTILE_H_
