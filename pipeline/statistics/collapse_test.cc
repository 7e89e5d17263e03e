// One class for all images: what it scores, and how it is recognised.
#include "pipeline/statistics/collapse.h"

#include <gtest/gtest.h>

namespace pipeline {
namespace {

TEST(ConstantScores, NineOfTwelve) {
  const ConstantScores scores = ScoresOfConstant(.75, 2);
  EXPECT_EQ(scores.accuracy, .75);
  EXPECT_EQ(scores.weighted_precision, .5625);
  EXPECT_EQ(scores.weighted_recall, .75);
  EXPECT_NEAR(scores.weighted_f1, .6428571429, 1e-10);
  EXPECT_NEAR(scores.macro_f1, .4285714286, 1e-10);
  EXPECT_EQ(ScoresOfConstant(0, 3).weighted_f1, 0);
}

TEST(OneClass, CellsOfTheCrackTable) {
  EXPECT_NEAR(OneClassTolerance(.9248, 4, 4), .0001424825, 1e-10);
  EXPECT_NEAR(OneClassTolerance(.9356, 4, 4), .0001435625, 1e-10);
  EXPECT_EQ(OneClassOf(.9248, .8553, 4, 4), OneClass::kConsistent);
  EXPECT_EQ(OneClassOf(.9356, .8754, 4, 4), OneClass::kConsistent);
  EXPECT_EQ(OneClassOf(.9248, .8556, 4, 4), OneClass::kNo);
  EXPECT_EQ(OneClassOf(.9248, .9101, 4, 4), OneClass::kNo);
}

TEST(OneClass, GoodModelsCannotBeTold) {
  EXPECT_EQ(OneClassOf(.9999, .9998, 4, 4), OneClass::kUndecidable);
  EXPECT_EQ(OneClassOf(.9987, .9974, 4, 4), OneClass::kConsistent);
  // With two decimals A (1 - A) = .0099 is within twice the tolerance.
  EXPECT_EQ(OneClassOf(.99, .98, 2, 2), OneClass::kUndecidable);
  EXPECT_EQ(OneClassOf(1, 1, 4, 4), OneClass::kUndecidable);
  // .0196 is above the tolerance, .014825, and within twice of it.
  EXPECT_EQ(OneClassOf(.98, .96, 2, 2), OneClass::kUndecidable);
}

TEST(OneClass, TheEdgeOfRoundingCounts) {
  // .5^2 = .25, tolerance .005 + .005 + .000025.
  EXPECT_EQ(OneClassOf(.5, .25 + .010025, 2, 2), OneClass::kConsistent);
  EXPECT_EQ(OneClassOf(.5, .25 - .010025, 2, 2), OneClass::kConsistent);
  EXPECT_EQ(OneClassOf(.5, .2603, 2, 2), OneClass::kNo);
}

TEST(Collapsed, FewerThanTwoClassesOrNoBetterThanChance) {
  EXPECT_TRUE(HasCollapsed({100, 0, 0}, .9));
  EXPECT_FALSE(HasCollapsed({60, 40}, .6));
  EXPECT_TRUE(HasCollapsed({99, 1}, .52));
  EXPECT_FALSE(HasCollapsed({99, 1}, .521));
  EXPECT_TRUE(HasCollapsed({50, 30, 10, 10}, .27));
  EXPECT_DEATH(HasCollapsed({5}, 1), "");
}

}  // namespace
}  // namespace pipeline
