// Accuracy and macro F1 with intervals.
#ifndef PIPELINE_STATISTICS_CLASS_SCORES_H_
#define PIPELINE_STATISTICS_CLASS_SCORES_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/statistics/paired.h"

namespace pipeline {

// Wilson's interval for a share of `right` in `total` >= 1, within [0, 1]. For one run: not for a
// mean over seeds, nor two of them for a difference (paired.h).
struct ShareInterval {
  double low = 0, high = 0;
};
ShareInterval WilsonInterval(int64_t right, int64_t total, double level = 0.95);

// Mean over all `classes` of 2TP / (2TP + FP + FN), 0 for 0 / 0, over the samples listed (with
// repetitions). NaN of no sample.
double MacroF1(const std::vector<int>& labels, const std::vector<int>& answers,
               const std::vector<int64_t>& samples, int classes);

// The samples of each class, for BootstrapOptions::strata.
std::vector<std::vector<int64_t>> SamplesByClass(const std::vector<int>& labels, int classes);

// Macro F1 of the second minus that of the first, resampled within classes; none where a class has
// fewer than 5 samples, which say too little. Of one run alone: MacroF1Interval(labels, answers).
std::optional<BootstrapInterval> MacroF1Difference(const std::vector<int>& labels,
                                                   const std::vector<int>& first,
                                                   const std::vector<int>& second, int classes,
                                                   BootstrapOptions options = {});
std::optional<BootstrapInterval> MacroF1Interval(const std::vector<int>& labels,
                                                 const std::vector<int>& answers, int classes,
                                                 BootstrapOptions options = {});

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_CLASS_SCORES_H_
