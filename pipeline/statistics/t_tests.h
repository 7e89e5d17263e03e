// Student's t over seeds, and its corrections for folds, whose training data overlap.
#ifndef PIPELINE_STATISTICS_T_TESTS_H_
#define PIPELINE_STATISTICS_T_TESTS_H_

#include <vector>

namespace pipeline {

// Of a mean of paired differences.
struct TTest {
  double mean = 0;
  double deviation = 0;  // of the differences, divisor n - 1
  double scale = 0;      // standard error of the mean
  double degrees = 0;    // n - 1
  double t = 0, p = 0;   // two-sided; NaN where the scale is 0
  double low = 0, high = 0;
};

// One difference per seed, if seeds are normal: not testable with three of them. Not for folds.
// `level` in (0, 1); at least one difference, else abort. With one all is NaN but the mean.
TTest SeedsTTest(const std::vector<double>& differences, double level = 0.95);

// One difference per fold (and repeat) of k-fold cross-validation: each is correlated with the
// others by about rho = 1 / k, so the squared scale is (1/n + rho / (1 - rho)) deviation^2 (Nadeau
// and Bengio 2003). `folds` = k >= 2, at least two differences, else abort.
TTest FoldsTTest(const std::vector<double>& differences, int folds, double level = 0.95);

// What to believe of the mean over folds: Student's t, centred at the mean, with that scale
// (Benavoli et al. 2017). Differences within +-rope are equal in practice; rope >= 0 is fixed
// before the run. Claim only what has 0.95. The three sum to 1; a scale of 0 is a point mass.
struct FoldsPosterior {
  double left = 0, rope = 0, right = 0;  // P(below -rope), P(within), P(above)
};
FoldsPosterior FoldsPosteriorOf(const std::vector<double>& differences, int folds, double rope);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_T_TESTS_H_
