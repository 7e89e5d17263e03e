// How far probabilities can be taken at their word: calibration errors and proper scores.
#ifndef PIPELINE_STATISTICS_CALIBRATION_H_
#define PIPELINE_STATISTICS_CALIBRATION_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/probabilities.h"

namespace pipeline {

constexpr int kCalibrationBins = 15;

enum class Binning {
  kEqualWidth,  // of [0, 1]
  kEqualMass,   // edges are quantiles (type 7) of the confidences; equal ones share a bin
};

// The answers whose confidence is in (low, high]; the first bin has its lower edge too.
struct ReliabilityBin {
  double low = 0, high = 0;
  int64_t count = 0;
  double confidence = 0, accuracy = 0;  // means over the answers; NaN where there is none
};

// `bins` >= 1 of them, from the lowest confidence to the highest; none where there are no answers
// or a confidence is NaN.
std::vector<ReliabilityBin> ReliabilityBins(const Answers& answers, Binning binning,
                                            int bins = kCalibrationBins);

// Mean over the answers of |accuracy - confidence| of their bin: 0 is best, 1 worst. NaN of none.
// It is biased upwards: even perfect probabilities show about 0.03 on 1,000 samples.
double ExpectedCalibrationError(const std::vector<ReliabilityBin>& bins);

// The greatest |accuracy - confidence| of a bin that has answers; NaN where none has.
double MaximumCalibrationError(const std::vector<ReliabilityBin>& bins);

// Mean over the samples of the sum over classes of (p - [true class])^2: 0 is best, 2 worst. (For
// two classes it is twice the binary score.) NaN of no sample, or with a NaN probability.
double BrierScore(const Probabilities& probabilities, const std::vector<int>& labels);

// Mean of -log p of the true class, in nats; p is kept in [2^-52, 1 - 2^-52], as in scikit-learn,
// so that one sure mistake costs 36 and not infinity. NaN of no sample, or with a NaN among the p.
double NegativeLogLikelihood(const Probabilities& probabilities, const std::vector<int>& labels);

// All of them, and the share of right answers; all NaN of no sample.
struct CalibrationScores {
  double accuracy = 0;
  double ece = 0, ece_equal_mass = 0, mce = 0;
  double brier = 0, nll = 0;
};
CalibrationScores CalibrationScoresOf(const Probabilities& probabilities,
                                      const std::vector<int>& labels, int bins = kCalibrationBins);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_CALIBRATION_H_
