// Split-conformal prediction sets.
#include "pipeline/statistics/conformal.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

// n samples of class 0 with p = 1 - 1/64, 1 - 2/64, ...
double ThresholdOf(int n) {
  Probabilities probabilities;
  for (int i = 1; i <= n; ++i) probabilities.push_back({1 - i / 64., i / 64.});
  return ConformalThreshold(probabilities, std::vector<int>(n, 0), 0.9);
}

TEST(ConformalThreshold, IsTheScoreOfThePromisedRank) {
  EXPECT_EQ(ThresholdOf(9), 9 / 64.);
  EXPECT_EQ(ThresholdOf(18), 18 / 64.);  // 17.1
  EXPECT_EQ(ThresholdOf(19), 18 / 64.);  // 18 on paper
  EXPECT_EQ(ThresholdOf(20), 19 / 64.);  // 18.9
}

TEST(ConformalThreshold, TooFewSamplesPromiseNothing) {
  EXPECT_EQ(ThresholdOf(8), 1);
  EXPECT_EQ(ThresholdOf(0), 1);
  EXPECT_EQ(PredictionSet({1, 0, 0}, 1), (std::vector<int>{0, 1, 2}));
}

TEST(PredictionSet, HoldsTheClassesThatAreLikelyEnough) {
  EXPECT_EQ(PredictionSet({0.5, 0.125, 0.375}, 0.625), (std::vector<int>{0, 2}));
  EXPECT_EQ(PredictionSet({0.25, 0.25, 0.5}, 0.25), std::vector<int>{});
}

TEST(SetScores, CoverageAndSize) {
  const SetScores scores =
      SetScoresOf({{0.75, 0.25}, {0.5, 0.5}, {0.5, 0.5}, {0.25, 0.75}}, {0, 0, 1, 0}, 0.5);
  EXPECT_EQ(scores.coverage, 0.75);
  EXPECT_EQ(scores.mean_size, 1.5);
  EXPECT_EQ(scores.empty, 0);
  EXPECT_TRUE(std::isnan(SetScoresOf({}, {}, 0.5).coverage));
}

}  // namespace
}  // namespace pipeline
