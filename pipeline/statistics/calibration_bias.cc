// Calibration errors of perfect probabilities.
#include "pipeline/statistics/calibration_bias.h"

#include <cmath>
#include <cstdlib>

#include "pipeline/statistics/percentile.h"

namespace pipeline {

double ChanceCalibrationError(const std::vector<double>& confidence, int bins) {
  const Answers answers{confidence, std::vector<bool>(confidence.size())};
  const std::vector<ReliabilityBin> edges = ReliabilityBins(answers, Binning::kEqualWidth, bins);
  if (edges.empty()) return NAN;
  std::vector<double> variances(edges.size());  // of the number of right answers in each bin
  for (const double p : confidence) {
    size_t bin = 0;
    while (bin + 1 < edges.size() && p > edges[bin].high) ++bin;
    variances[bin] += p * (1 - p);
  }
  double error = 0;
  for (const double variance : variances) error += std::sqrt(variance * 2 / M_PI);
  return error / static_cast<double>(confidence.size());
}

CalibrationBand ChanceCalibrationBand(const std::vector<double>& confidence, const PhiloxKey& key,
                                      int64_t resamples, int bins) {
  if (resamples < 1) std::abort();
  std::vector<double> errors;
  for (int64_t b = 0; b < resamples; ++b) {
    PhiloxStream stream(key, b);
    Answers answers{confidence, {}};
    for (const double p : confidence) {
      constexpr int64_t kSteps = int64_t{1} << 53;
      answers.right.push_back(static_cast<double>(stream.Below(kSteps)) <
                              p * static_cast<double>(kSteps));
    }
    errors.push_back(
        ExpectedCalibrationError(ReliabilityBins(answers, Binning::kEqualWidth, bins)));
  }
  const Spread spread = SpreadOf(errors, 0.95);
  return {spread.low, spread.high};
}

SquaredCalibrationError SquaredCalibrationErrorOf(const std::vector<ReliabilityBin>& bins) {
  double count = 0, plain = 0, debiased = 0;
  for (const ReliabilityBin& bin : bins) {
    if (bin.count == 0) continue;
    const double n = static_cast<double>(bin.count), gap = bin.accuracy - bin.confidence;
    count += n;
    plain += n * gap * gap;
    if (bin.count > 1) debiased += n * (gap * gap - bin.accuracy * (1 - bin.accuracy) / (n - 1));
  }
  return {plain / count, debiased / count};
}

}  // namespace pipeline
