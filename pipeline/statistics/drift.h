// Whether two lists of numbers come from one distribution.
#ifndef PIPELINE_STATISTICS_DRIFT_H_
#define PIPELINE_STATISTICS_DRIFT_H_

#include <vector>

namespace pipeline {

// The two-sample test of Kolmogorov and Smirnov.
struct KolmogorovSmirnov {
  // The greatest distance of the two cumulative distributions: 0 where they are equal, 1 where all
  // of one lies below all of the other. Of many samples this, not p, says how much they differ.
  double distance = 0;
  // The chance of such a distance or a greater one in two lists of one distribution: exact (of
  // values without ties; with ties it is too high) up to 10^8 pairs, above by the limit of many.
  double p = 1;
};

// Both NaN where a list is empty or holds a NaN.
KolmogorovSmirnov KolmogorovSmirnovTest(std::vector<double> first, std::vector<double> second);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_DRIFT_H_
