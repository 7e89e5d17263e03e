// What perfect probabilities show as their calibration error.
#include "pipeline/statistics/calibration_bias.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

// Evenly over [0.5, 1].
std::vector<double> Confidences(int n) {
  std::vector<double> confidence;
  for (int i = 0; i < n; ++i) confidence.push_back(0.5 + 0.5 * (i + 0.5) / n);
  return confidence;
}

TEST(ChanceCalibrationError, FallsWithTheNumberOfSamples) {
  EXPECT_NEAR(ChanceCalibrationError(Confidences(200)), .06302890747, 1e-11);
  EXPECT_NEAR(ChanceCalibrationError(Confidences(1000)), .02819707355, 1e-11);
  EXPECT_NEAR(ChanceCalibrationError(Confidences(10000)), .008916302886, 1e-12);
  EXPECT_EQ(ChanceCalibrationError({1, 1}), 0);
  EXPECT_TRUE(std::isnan(ChanceCalibrationError({})));
}

TEST(ChanceCalibrationBand, HoldsWhatSimulationsShow) {
  const CalibrationBand small = ChanceCalibrationBand(Confidences(200));
  EXPECT_LT(small.low, .0635 - .02);
  EXPECT_GT(small.high, .0635 + .02);
  EXPECT_LT(small.high, .0635 + .05);
  const CalibrationBand large = ChanceCalibrationBand(Confidences(10000), {42, 12}, 99);
  EXPECT_NEAR((large.low + large.high) / 2, .00885, .001);
  // Who is always sure and right is never off.
  EXPECT_EQ(ChanceCalibrationBand({1, 1, 1}).high, 0);
}

TEST(SquaredCalibrationError, TenAnswers) {
  const Answers answers{{.95, .91, .88, .83, .76, .72, .66, .61, .58, .55},
                        {1, 1, 1, 0, 1, 1, 0, 1, 0, 1}};
  const std::vector<ReliabilityBin> bins = ReliabilityBins(answers, Binning::kEqualWidth, 5);
  EXPECT_NEAR(ExpectedCalibrationError(bins), .095, 1e-12);
  EXPECT_NEAR(SquaredCalibrationErrorOf(bins).plain, .01053, 1e-12);
  EXPECT_NEAR(SquaredCalibrationErrorOf(bins).debiased, -.08947, 1e-12);
  EXPECT_TRUE(std::isnan(SquaredCalibrationErrorOf({}).plain));
  const SquaredCalibrationError one =
      SquaredCalibrationErrorOf(ReliabilityBins({{.9}, {1}}, Binning::kEqualWidth, 5));
  EXPECT_NEAR(one.plain, .01, 1e-12);
  EXPECT_EQ(one.debiased, 0);
}

}  // namespace
}  // namespace pipeline
