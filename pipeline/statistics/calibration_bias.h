// How much of a calibration error is chance: it is above 0 for perfect probabilities too, the more
// the fewer samples.
#ifndef PIPELINE_STATISTICS_CALIBRATION_BIAS_H_
#define PIPELINE_STATISTICS_CALIBRATION_BIAS_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/calibration.h"
#include "pipeline/statistics/philox.h"

namespace pipeline {

// About the expected calibration error (equal widths) that perfect probabilities with these
// confidences show: sum of (n_b / n) sqrt(2 / pi) sqrt(v_b / n_b), v_b the mean of confidence (1 -
// confidence). NaN of none.
double ChanceCalibrationError(const std::vector<double>& confidence, int bins = kCalibrationBins);

// The 2.5 % and 97.5 % quantiles of that error where each answer is right with the probability that
// its confidence says.
struct CalibrationBand {
  double low = 0, high = 0;
};
CalibrationBand ChanceCalibrationBand(const std::vector<double>& confidence,
                                      const PhiloxKey& key = {42, 12}, int64_t resamples = 999,
                                      int bins = kCalibrationBins);

// Mean over the answers of their bin's (accuracy - confidence)^2, and the same without its bias
// (Kumar et al. 2019), which may be negative: bins of one answer are left out of that.
struct SquaredCalibrationError {
  double plain = 0, debiased = 0;
};
SquaredCalibrationError SquaredCalibrationErrorOf(const std::vector<ReliabilityBin>& bins);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_CALIBRATION_BIAS_H_
