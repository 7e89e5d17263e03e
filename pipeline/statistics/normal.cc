// The normal distribution.
#include "pipeline/statistics/normal.h"

#include <cmath>

namespace pipeline {

double NormalCdf(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

double NormalQuantile(double p) {
  if (!(p >= 0 && p <= 1)) return NAN;
  if (p == 0) return -INFINITY;
  if (p == 1) return INFINITY;
  if (p == 0.5) return 0;
  if (p > 0.5) return -NormalQuantile(1 - p);
  // A rational start in the tail (Abramowitz and Stegun 26.2.23), then Halley's steps, which triple
  // the digits.
  const double t = std::sqrt(-2 * std::log(p));
  double z = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
  for (int i = 0; i < 3; ++i) {
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    const double step = (NormalCdf(z) - p) / density;
    z -= step / (1 + z * step / 2);
  }
  return z;
}

}  // namespace pipeline
