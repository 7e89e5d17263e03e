// Signed ranks and signs against scipy's enumeration.
#include "pipeline/statistics/wilcoxon.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

TEST(Wilcoxon, WithoutTies) {
  const Wilcoxon test = WilcoxonSignedRank({.012, -.004, .021, .009, .015, -.002, .030, .007});
  EXPECT_EQ(test.used, 8);
  EXPECT_EQ(test.negative, 3);
  EXPECT_EQ(test.positive, 33);
  EXPECT_EQ(test.p, 0.0390625);
  EXPECT_EQ(test.smallest_p, 0.0078125);
}

TEST(Wilcoxon, TieAndZero) {
  const Wilcoxon test = WilcoxonSignedRank({.01, .01, -.01, .02, 0, .03, .02, -.005, .04, .01});
  EXPECT_EQ(test.used, 9);
  EXPECT_EQ(test.negative, 4.5);
  EXPECT_EQ(test.p, 0.0390625);
}

TEST(Wilcoxon, ManyTies) {
  std::vector<double> d = {1, 1, -1, 2, 0, 3, 2, -.5, 4, 1, 2, 3, -2, 5, 1.5};
  for (double& value : d) value /= 100;
  EXPECT_NEAR(WilcoxonSignedRank(d).p, 0.01110839844, 1e-11);
}

TEST(Wilcoxon, EqualToTwelveDigitsIsATie) {
  const Wilcoxon test = WilcoxonSignedRank({0.3 - 0.2, -(0.2 - 0.1), 0.25 - 0.25 + 1e-14});
  EXPECT_EQ(test.used, 2);
  EXPECT_EQ(test.positive, 1.5);
  EXPECT_EQ(test.negative, 1.5);
  EXPECT_EQ(test.p, 1);
}

TEST(Wilcoxon, NothingToSay) {
  EXPECT_EQ(WilcoxonSignedRank({}).p, 1);
  EXPECT_EQ(WilcoxonSignedRank({0, 0}).p, 1);
  EXPECT_EQ(WilcoxonSignedRank({0, 0}).used, 0);
  EXPECT_EQ(WilcoxonSignedRank({0.1}).p, 1);
  EXPECT_DEATH(WilcoxonSignedRank({NAN}), "");
}

TEST(Wilcoxon, ThreeToFiveSeedsNeverReachFivePercent) {
  std::vector<double> d;
  const double smallest[] = {1, .5, .25, .125, .0625, .03125};
  for (int n = 1; n <= 6; ++n) {
    d.push_back(0.01 * n);
    EXPECT_EQ(WilcoxonSignedRank(d).p, smallest[n - 1]);
    EXPECT_EQ(WilcoxonSignedRank(d).smallest_p, smallest[n - 1]);
  }
}

TEST(LeastPairs, ForHolmsFirstStep) {
  EXPECT_EQ(LeastPairsFor(1), 6);
  EXPECT_EQ(LeastPairsFor(2), 7);
  EXPECT_EQ(LeastPairsFor(3), 7);
  EXPECT_EQ(LeastPairsFor(56), 12);
  EXPECT_EQ(LeastPairsFor(62), 12);
  EXPECT_EQ(LeastPairsFor(1953), 17);
  EXPECT_NEAR(62 * SmallestSignP(12), 0.0303, 1e-4);
}

TEST(Signs, AreCounted) {
  EXPECT_EQ(SignsOf({0.1, -0.2, 0.3, 1e-15}), (Signs{2, 1, 1}));
  EXPECT_EQ(SignsOf({}), Signs{});
}

}  // namespace
}  // namespace pipeline
