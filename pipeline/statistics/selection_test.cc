// How much too good the best of many looks: worked examples.
#include "pipeline/statistics/selection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace pipeline {
namespace {

const std::vector<std::vector<double>> kValidation = {
    {.90, .91, .92}, {.92, .89, .91}, {.91, .92, .90}, {.88, .93, .91}};
const std::vector<std::vector<double>> kTest = {
    {.89, .90, .91}, {.91, .90, .89}, {.90, .91, .90}, {.89, .92, .90}};

const std::vector<std::vector<double>> kTwo = {{.5, .5, .5}, {.6, .6, .6}};

TEST(NestedSelection, ThreeSeeds) {
  const NestedSelection got = SelectNested(kValidation, kTest);
  EXPECT_EQ(got.picks, (std::vector<int>{3, 1, 2}));
  EXPECT_NEAR(got.honest, 0.8966666667, 1e-10);
  EXPECT_NEAR(got.best_test, 0.9033333333, 1e-10);
  EXPECT_NEAR(got.optimism, 0.0066666667, 1e-10);
  EXPECT_EQ(got.chosen, 0);  // of two with .91
  EXPECT_NEAR(got.chosen_validation, 0.91, 1e-12);
  EXPECT_NEAR(got.chosen_test, 0.9, 1e-12);
}

TEST(NestedSelection, SumsInAnotherOrderAreATie) {
  // As doubles, .1 + .2 + .3 is more than .3 + .2 + .1.
  EXPECT_EQ(SelectNested({{.3, .2, .1}, {.1, .2, .3}}, kTwo).chosen, 0);
}

TEST(NestedSelection, OneSeedHasNoOthers) {
  const NestedSelection got = SelectNested({{.8}, {.9}}, {{.7}, {.6}});
  EXPECT_TRUE(got.picks.empty());
  EXPECT_TRUE(std::isnan(got.honest));
  EXPECT_EQ(got.chosen, 1);
  EXPECT_EQ(got.chosen_test, 0.6);
  EXPECT_EQ(got.best_test, 0.7);
  EXPECT_DEATH(SelectNested({{.8}}, {{.7}, {.6}}), "");
}

TEST(BootstrapSelection, FourConfigurationsAndTenImages) {
  std::vector<std::vector<double>> scores;
  for (const std::string bits : {"1110110111", "1011111101", "1101101111", "0111111010"}) {
    auto& row = scores.emplace_back();
    for (const char bit : bits) row.push_back(bit - '0');
  }
  const SelectionBias got = BootstrapSelection(scores);
  EXPECT_EQ(got.chosen, 0);
  EXPECT_NEAR(got.best, 0.8, 1e-12);
  EXPECT_NEAR(got.optimism, 0.12775, 1e-12);
  EXPECT_NEAR(got.corrected, 0.6032337597, 1e-10);
  EXPECT_EQ(got.used, 1999);
}

TEST(BootstrapSelection, WhatIsAlwaysRightPromisesNothingTooMuch) {
  const SelectionBias got = BootstrapSelection({{0, 1, 0, 1, 0, 0}, {1, 1, 1, 1, 1, 1}});
  EXPECT_EQ(got.chosen, 1);
  EXPECT_EQ(got.optimism, 0);
  EXPECT_EQ(got.corrected, 1);
}

TEST(ExpectedMaximum, OfSevenTwentyOneAndSixtyThree) {
  EXPECT_NEAR(ExpectedMaximum(1), 0, 1e-14);
  EXPECT_NEAR(ExpectedMaximum(2), 1 / std::sqrt(M_PI), 1e-13);
  EXPECT_NEAR(ExpectedMaximum(7), 1.352178376, 1e-9);
  EXPECT_NEAR(ExpectedMaximum(21), 1.889167915, 1e-9);
  EXPECT_NEAR(ExpectedMaximum(63), 2.337784619, 1e-9);
}

TEST(OptimismOfBest, OfSixtyThreeEqualFusions) {
  EXPECT_NEAR(OptimismOfBest(63, .95, .8, 400), 0.01139295295, 1e-11);
  EXPECT_NEAR(OptimismOfBest(63, .95, 0., 400), 0.02547541727, 1e-11);
  EXPECT_NEAR(OptimismOfBest(63, 2 * .95 * .05 * .2, 400), 0.01139295295, 1e-11);
}

TEST(DiscordantShare, IsTheMeanOverPairs) {
  // Pairs differ on 1, 2 and 1 of four images.
  EXPECT_NEAR(DiscordantShare({{1, 1, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 1}}), 4. / 12, 1e-15);
  EXPECT_EQ(DiscordantShare({{1, 0}}), 0);
}

TEST(DetectableDifference, FourPercentOfFourHundred) {
  EXPECT_NEAR(DetectableDifference(.04, 400), 0.01959963985, 1e-11);
}

}  // namespace
}  // namespace pipeline
