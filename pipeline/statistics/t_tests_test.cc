// Student's t over seeds and folds against scipy's.
#include "pipeline/statistics/t_tests.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

TEST(SeedsTTest, ThreeSeeds) {
  const TTest test = SeedsTTest({.912 - .905, .925 - .921, .918 - .909});
  EXPECT_NEAR(test.mean, 0.006666666667, 1e-12);
  EXPECT_NEAR(test.deviation, 0.002516611478, 1e-12);
  EXPECT_NEAR(test.t, 4.588314677, 1e-9);
  EXPECT_NEAR(test.p, 0.04436303487, 1e-11);
  EXPECT_NEAR(test.low, 0.0004150571873, 1e-12);
  EXPECT_NEAR(test.high, 0.01291827615, 1e-11);
  EXPECT_EQ(test.degrees, 2);
}

const std::vector<double> kFolds = {.010, .022, -.004, .015, .012};

TEST(FoldsTTest, FiveFolds) {
  const TTest test = FoldsTTest(kFolds, 5);
  EXPECT_NEAR(test.mean, 0.011, 1e-15);
  EXPECT_NEAR(test.deviation, 0.009539392014, 1e-12);
  EXPECT_NEAR(test.scale, 0.006399218702, 1e-12);
  EXPECT_NEAR(test.low, -0.006767079443, 1e-12);
  EXPECT_NEAR(test.high, 0.02876707944, 1e-11);
  EXPECT_NEAR(test.t, 1.718959847, 1e-9);
  EXPECT_NEAR(test.p, 0.1607456177, 1e-10);
  EXPECT_NEAR(SeedsTTest(kFolds).p, 0.06142853721, 1e-11);
}

TEST(FoldsPosterior, FiveFolds) {
  const FoldsPosterior posterior = FoldsPosteriorOf(kFolds, 5, 0.005);
  EXPECT_NEAR(posterior.left, 0.0333723851, 1e-10);
  EXPECT_NEAR(posterior.rope, 0.1673909017, 1e-10);
  EXPECT_NEAR(posterior.right, 0.7992367132, 1e-10);
}

TEST(FoldsPosterior, APointMass) {
  const FoldsPosterior right = FoldsPosteriorOf({.01, .01, .01}, 3, 0.005);
  EXPECT_EQ(right.right, 1);
  EXPECT_EQ(right.rope, 0);
  const FoldsPosterior within = FoldsPosteriorOf({.1, .1, .1}, 3, 0.2);
  EXPECT_EQ(within.rope, 1);
  EXPECT_EQ(FoldsPosteriorOf({-.01, -.01}, 2, 0.005).left, 1);
}

TEST(TTests, NothingToSay) {
  const TTest one = SeedsTTest({0.1});
  EXPECT_EQ(one.mean, 0.1);
  EXPECT_TRUE(std::isnan(one.low));
  EXPECT_TRUE(std::isnan(one.p));
  const TTest same = SeedsTTest({0.1, 0.1, 0.1});
  EXPECT_TRUE(std::isnan(same.p));
  EXPECT_EQ(same.low, same.mean);
  EXPECT_DEATH(SeedsTTest({}), "");
  EXPECT_DEATH(FoldsTTest({1, 2}, 1), "");
}

}  // namespace
}  // namespace pipeline
