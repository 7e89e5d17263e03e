// Two classifiers on the same samples: how far they differ, and whether that could be chance.
#ifndef PIPELINE_STATISTICS_PAIRED_H_
#define PIPELINE_STATISTICS_PAIRED_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "pipeline/statistics/philox.h"

namespace pipeline {

// McNemar's test of two classifiers on one test set: do they err on equally many samples? It speaks
// of these two trained networks, not of their recipes. Samples must be independent (not slices of
// one patient).
struct McNemar {
  int64_t only_first = 0, only_second = 0;  // samples that only this one answers right
  // Two-sided. Exact: 2 P(Binomial(m, 1/2) <= the smaller), at most 1, m being both together; never
  // below 2^(1 - m). Mid-p takes half of the smaller's own probability off: less timid. Both are 1
  // where m is 0.
  double exact = 1, mid_p = 1;
};
// Counts >= 0, else abort.
McNemar McNemarTest(int64_t only_first, int64_t only_second);
// Whether each sample is answered right by the first and by the second; of one length, else abort.
McNemar McNemarTest(const std::vector<bool>& first, const std::vector<bool>& second);

enum class IntervalKind {
  kPercentile,  // enough for means, such as a difference of accuracies
  kBca,         // corrected for bias and skew (Efron 1987), for macro F1, AUC and the like
};

struct BootstrapOptions {
  // (seed, purpose): the same for all pairs that are compared, so that they share their resamples.
  PhiloxKey key = {42, 3};
  int64_t resamples = 9999;  // >= 1
  double level = 0.95;       // in (0, 1)
  IntervalKind kind = IntervalKind::kPercentile;
  // Where not empty: the samples by class, each in exactly one; resampled within each class, so
  // that no class is ever missing. For what is a mean over classes; a class with fewer than 5
  // samples says too little for an interval.
  std::vector<std::vector<int64_t>> strata = {};
};

// All NaN where there is no sample or the difference is NaN. The interval is NaN where a resample's
// difference is or, for kBca, a leave-one-out's, or where all resamples lie on one side of the
// difference.
struct BootstrapInterval {
  double difference = 0;      // on the samples themselves
  double low = 0, high = 0;   // of the interval
  double standard_error = 0;  // standard deviation of the resamples' differences
};

// What one says of a list of samples (indices in [0, n), with repetitions): such as the accuracy of
// the second on them minus that of the first.
using DifferenceOn = std::function<double(const std::vector<int64_t>& samples)>;

// Over `samples` >= 0 samples. Resamples are pairs: both classifiers see the same ones.
// `difference` is called 1 + resamples times, and `samples` times more for kBca.
BootstrapInterval PairedBootstrap(int64_t samples, const DifferenceOn& difference,
                                  const BootstrapOptions& options = {});

// The same of a mean over samples, such as accuracy (1 and 0), Dice per image, log likelihood:
// `second` minus `first`, of one length, else abort.
BootstrapInterval PairedBootstrap(const std::vector<double>& first,
                                  const std::vector<double>& second,
                                  const BootstrapOptions& options = {});

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_PAIRED_H_
