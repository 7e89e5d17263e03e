// Logistic regression: what it learns, and that it is judged on samples that it did not see.
#include "pipeline/statistics/logistic.h"

#include <gtest/gtest.h>

#include "pipeline/statistics/calibration.h"

namespace pipeline {
namespace {

double Accuracy(const Probabilities& probabilities, const std::vector<int>& labels) {
  return CalibrationScoresOf(probabilities, labels).accuracy;
}

TEST(CrossValidated, FindsAPropertyThatGivesTheLabelAway) {
  Features features;
  std::vector<int> labels;
  for (int i = 0; i < 60; ++i) {
    labels.push_back(i % 3);
    features.push_back({static_cast<double>(i * 37 % 11), i % 3 == 2 ? 1.0 : 0.0});
  }
  const Probabilities probabilities = CrossValidated(features, labels, 3);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(MostLikely(probabilities[i]) == 2, labels[i] == 2);
}

TEST(CrossValidated, WhatIsLearnedByHeartCountsNothing) {
  // More properties than samples: what is seen is told apart, what is not is chance.
  Features features;
  std::vector<int> labels;
  PhiloxStream stream({1, 1}, 0);
  for (int i = 0; i < 80; ++i) {
    labels.push_back(i % 2);
    std::vector<double>& row = features.emplace_back();
    for (int k = 0; k < 200; ++k) row.push_back(static_cast<double>(stream.Below(1000)));
  }
  const LogisticRegression fit = FitLogistic(features, labels, 2);
  Probabilities seen;
  for (const auto& row : features) seen.push_back(fit.ProbabilitiesOf(row));
  EXPECT_EQ(Accuracy(seen, labels), 1);
  EXPECT_NEAR(Accuracy(CrossValidated(features, labels, 2), labels), 0.5, 0.2);
}

TEST(FitLogistic, AConstantFeatureCountsNothing) {
  const LogisticRegression fit = FitLogistic({{0.1, 1}, {0.1, 2}, {0.1, 3}}, {0, 0, 1}, 2);
  EXPECT_EQ(fit.ProbabilitiesOf({0.1, 2.5}), fit.ProbabilitiesOf({99, 2.5}));
}

TEST(FitLogistic, AClassWithoutSamplesIsUnlikely) {
  const LogisticRegression fit = FitLogistic({{1}, {2}, {3}}, {0, 0, 1}, 3);
  EXPECT_LT(fit.ProbabilitiesOf({2})[2], 1e-3);
}

}  // namespace
}  // namespace pipeline
