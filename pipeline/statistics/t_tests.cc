// Student's t over seeds and over folds.
#include "pipeline/statistics/t_tests.h"

#include <cmath>
#include <cstdlib>

#include "pipeline/statistics/distributions.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/probabilities.h"

namespace pipeline {
namespace {

// `overlap`: of the variance of one difference, how much stays however many there are.
TTest WithOverlap(const std::vector<double>& differences, double overlap, double level) {
  if (differences.empty() || !(level > 0 && level < 1)) std::abort();
  TTest test;
  const double n = static_cast<double>(differences.size());
  test.mean = Mean(differences);
  test.deviation = StandardDeviation(differences);
  // What rounding leaves of equal differences is not spread.
  if (Comparable(test.deviation) == 0) test.deviation = 0;
  test.scale = test.deviation * std::sqrt(1 / n + overlap);
  test.degrees = n - 1;
  test.t = test.scale > 0 ? test.mean / test.scale : NAN;
  test.p = StudentTwoSided(test.t, test.degrees);
  const double half = StudentQuantile((1 + level) / 2, test.degrees) * test.scale;
  test.low = test.mean - half;
  test.high = test.mean + half;
  return test;
}

// rho / (1 - rho) with rho = 1 / folds: test images to training images.
double OverlapOf(const std::vector<double>& differences, int folds) {
  if (folds < 2 || differences.size() < 2) std::abort();
  return 1.0 / (folds - 1);
}

}  // namespace

TTest SeedsTTest(const std::vector<double>& differences, double level) {
  return WithOverlap(differences, 0, level);
}

TTest FoldsTTest(const std::vector<double>& differences, int folds, double level) {
  return WithOverlap(differences, OverlapOf(differences, folds), level);
}

FoldsPosterior FoldsPosteriorOf(const std::vector<double>& differences, int folds, double rope) {
  if (!(rope >= 0)) std::abort();
  const TTest test = FoldsTTest(differences, folds);
  FoldsPosterior posterior;
  if (test.scale == 0) {
    posterior.left = test.mean < -rope;
    posterior.right = test.mean > rope;
  } else {
    posterior.left = StudentCdf((-rope - test.mean) / test.scale, test.degrees);
    posterior.right = StudentCdf((test.mean - rope) / test.scale, test.degrees);
  }
  posterior.rope = 1 - posterior.left - posterior.right;
  return posterior;
}

}  // namespace pipeline
