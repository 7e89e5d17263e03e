// Many comparisons at once: which of them survive that there were so many. The family is fixed
// before the run; nothing here cures one that was chosen after looking.
#ifndef PIPELINE_STATISTICS_MULTIPLE_H_
#define PIPELINE_STATISTICS_MULTIPLE_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/crossed.h"

namespace pipeline {

// p-values, each at most 1, adjusted for their number, in their order; equal ones get equal
// results. NaN aborts.
// Holm 1979: for any claim that at least one differs, whatever the dependence.
std::vector<double> HolmAdjusted(const std::vector<double>& p);
// Benjamini and Hochberg 1995: for lists to explore, such as a heat map.
std::vector<double> BenjaminiHochbergAdjusted(const std::vector<double>& p);

// The level of one interval so that all of a family >= 1 hold together at `level` (Bonferroni, and
// Holm's first step): 1 - (1 - level) / family.
double FamilyLevel(double level, int64_t family);
// The |t| that Holm's first step over `family` comparisons asks for.
double TNeeded(int64_t family, double degrees, double level = 0.95);

struct SimultaneousInterval {
  double difference = 0;
  double standard_error = 0;  // of the resamples, in closed form (PigeonholeVariance)
  double low = 0, high = 0;   // the point where the standard error is 0
  // Share of resamples, this sample counted as one, in which the greatest |t| of the family is at
  // least this one's: adjusted for the family. NaN where the standard error is 0.
  double p = 0;
};
struct MaxT {
  double critical =
      0;  // q: each interval is difference +- q standard errors; NaN if all errors are 0
  std::vector<SimultaneousInterval> intervals;
};
// Intervals that hold for all recipes together, narrower than Holm's as it knows how alike the
// recipes are: q is the `level` quantile of the greatest |resampled - own| / standard error.
// differences[recipe][seed][image], each against one comparator. With scores averaged over seeds
// there is one row of images each, and the claim is of images. With 3 to 10 seeds the resamples
// spread too little (crossed.h): then CrossedAnova at FamilyLevel is the wider, safer one.
MaxT MaxTIntervals(const std::vector<SeedsByImages>& differences,
                   const CrossedOptions& options = {});

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_MULTIPLE_H_
