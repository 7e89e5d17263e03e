// Calibration errors and proper scores.
#include "pipeline/statistics/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

Answers TenAnswers() {
  return {{.95, .91, .88, .83, .76, .72, .66, .61, .58, .55},
          {true, true, true, false, true, true, false, true, false, true}};
}

TEST(ReliabilityBins, OfEqualWidth) {
  const std::vector<ReliabilityBin> bins = ReliabilityBins(TenAnswers(), Binning::kEqualWidth, 5);
  ASSERT_EQ(bins.size(), 5);
  EXPECT_EQ(bins[0].count, 0);
  EXPECT_TRUE(std::isnan(bins[0].accuracy));
  EXPECT_EQ(bins[2].count, 2);
  EXPECT_EQ(bins[3].low, 0.6);
  EXPECT_EQ(bins[3].high, 0.8);
  EXPECT_EQ(bins[3].count, 4);
  EXPECT_NEAR(bins[3].confidence, 0.6875, 1e-15);
  EXPECT_EQ(bins[3].accuracy, 0.75);
  EXPECT_NEAR(ExpectedCalibrationError(bins), 0.095, 1e-15);
  EXPECT_NEAR(MaximumCalibrationError(bins), 0.1425, 1e-15);
}

TEST(ReliabilityBins, AnEdgeBelongsToTheBinBelow) {
  const std::vector<ReliabilityBin> bins =
      ReliabilityBins({{0, 0.5, 1}, {true, true, true}}, Binning::kEqualWidth, 2);
  EXPECT_EQ(bins[0].count, 2);
  EXPECT_EQ(bins[1].count, 1);
}

TEST(ReliabilityBins, OfEqualMass) {
  const std::vector<ReliabilityBin> bins = ReliabilityBins(TenAnswers(), Binning::kEqualMass, 5);
  for (const ReliabilityBin& bin : bins) EXPECT_EQ(bin.count, 2);
  EXPECT_EQ(bins[0].low, 0.55);
  EXPECT_EQ(bins[4].high, 0.95);
  // A quantile that is one of the confidences is in the bin below.
  const std::vector<ReliabilityBin> thirds =
      ReliabilityBins({{.1, .2, .3, .4}, {true, true, true, true}}, Binning::kEqualMass, 3);
  EXPECT_EQ(thirds[0].count, 2);
  EXPECT_EQ(thirds[0].high, 0.2);
  EXPECT_EQ(thirds[1].count, 1);
  EXPECT_EQ(thirds[2].count, 1);
}

TEST(ReliabilityBins, EqualConfidencesShareABin) {
  const std::vector<ReliabilityBin> bins =
      ReliabilityBins({{1, 1, 1, 1}, {true, false, true, true}}, Binning::kEqualMass, 3);
  EXPECT_EQ(bins[0].count, 4);
  EXPECT_EQ(bins[0].accuracy, 0.75);
  EXPECT_NEAR(ExpectedCalibrationError(bins), 0.25, 1e-15);
}

TEST(ProperScores, OfTwoSamples) {
  const Probabilities probabilities = {{0.7, 0.2, 0.1}, {0.3, 0.3, 0.4}};
  EXPECT_NEAR(BrierScore(probabilities, {0, 1}), (0.14 + 0.74) / 2, 1e-15);
  EXPECT_NEAR(NegativeLogLikelihood(probabilities, {0, 1}), -(std::log(.7) + std::log(.3)) / 2,
              1e-15);
}

TEST(ProperScores, ASureMistakeIsFinite) {
  EXPECT_NEAR(NegativeLogLikelihood({{1, 0}}, {1}), 36.04365338911715, 1e-12);
  EXPECT_EQ(BrierScore({{1, 0}}, {1}), 2);
}

TEST(CalibrationScores, NothingToSay) {
  const CalibrationScores none = CalibrationScoresOf({}, {});
  for (const double score :
       {none.accuracy, none.ece, none.ece_equal_mass, none.mce, none.brier, none.nll}) {
    EXPECT_TRUE(std::isnan(score));
  }
  const CalibrationScores nan = CalibrationScoresOf({{0.5, 0.5}, {NAN, 0.5}}, {0, 1});
  for (const double score : {nan.ece, nan.ece_equal_mass, nan.mce, nan.brier, nan.nll}) {
    EXPECT_TRUE(std::isnan(score));
  }
}

TEST(MostLikely, TheLowestOfEquals) {
  EXPECT_EQ(MostLikely({0.2, 0.4, 0.4}), 1);
  EXPECT_EQ(MostLikely({NAN, 0.1, 0.2}), 2);
}

}  // namespace
}  // namespace pipeline
