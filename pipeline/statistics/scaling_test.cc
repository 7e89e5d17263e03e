// Temperature and vector scaling, and the minimiser below them.
#include "pipeline/statistics/scaling.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/statistics/calibration.h"
#include "pipeline/statistics/minimize.h"

namespace pipeline {
namespace {

TEST(Temperature, MakesConfidenceTheShareOfRightAnswers) {
  // 0.9 said, 0.75 right: log(9) / T is to be log(3).
  const Scaling scaling = FitTemperature(Probabilities(4, {0.9, 0.1}), {0, 0, 0, 1});
  EXPECT_NEAR(TemperatureOf(scaling), 2, 1e-12);
  EXPECT_NEAR(scaling.Apply(std::vector<double>{0.9, 0.1})[0], 0.75, 1e-12);
}

TEST(Temperature, StaysWithinItsBounds) {
  const Probabilities sure(4, {0.9, 0.1});
  EXPECT_NEAR(TemperatureOf(FitTemperature(sure, {0, 0, 0, 0})), kLeastTemperature, 1e-12);
  EXPECT_NEAR(TemperatureOf(FitTemperature(sure, {1, 1, 1, 1})), kMostTemperature, 1e-12);
}

TEST(Scaling, ProbabilitiesThatWereRoundedAway) {
  const Scaling half = {{0.5, 0.5}, {0, 0}};
  const std::vector<double> scaled = half.Apply(std::vector<double>{1, 0});
  EXPECT_NEAR(scaled[0], 1, 1e-15);
  EXPECT_NEAR(scaled[1], 1e-19, 1e-30);
  const Scaling fitted = FitTemperature({{1, 0}, {1, 0}}, {0, 1});
  EXPECT_TRUE(std::isfinite(TemperatureOf(fitted)));
}

TEST(Vector, LearnsThatAClassIsCalledTooOften) {
  Probabilities probabilities(200, {0.6, 0.4});
  std::vector<int> labels(200, 1);
  for (int i = 0; i < 50; ++i) labels[i] = 0;
  const std::vector<double> scaled = FitVector(probabilities, labels).Apply(probabilities[0]);
  EXPECT_NEAR(scaled[0], 0.25, 0.01);
}

TEST(Vector, FewSamplesHardlyMoveIt) {
  const Scaling scaling = FitVector({{0.6, 0.4}}, {0});
  EXPECT_NEAR(scaling.bias[0], 0.25, 0.1);
  EXPECT_NEAR(scaling.weight[0], 0.9, 0.1);
}

TEST(Minimize, AValleyThatBends) {
  // Rosenbrock's.
  const std::vector<double> x = Minimize(
      [](const std::vector<double>& at, std::vector<double>* gradient) {
        const double bend = at[1] - at[0] * at[0];
        *gradient = {-400 * at[0] * bend - 2 * (1 - at[0]), 200 * bend};
        return 100 * bend * bend + (1 - at[0]) * (1 - at[0]);
      },
      {-1.2, 1});
  EXPECT_NEAR(x[0], 1, 1e-9);
  EXPECT_NEAR(x[1], 1, 1e-9);
}

TEST(Minimize, WhatIsFlatStays) {
  const auto flat = [](const std::vector<double>&, std::vector<double>* gradient) {
    *gradient = {0};
    return 3.0;
  };
  EXPECT_EQ(Minimize(flat, {7}), std::vector<double>{7});
}

}  // namespace
}  // namespace pipeline
