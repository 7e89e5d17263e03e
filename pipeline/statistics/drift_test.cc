// The test of Kolmogorov and Smirnov.
#include "pipeline/statistics/drift.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

TEST(KolmogorovSmirnov, AllOfOneBelowAllOfTheOther) {
  const KolmogorovSmirnov test = KolmogorovSmirnovTest({1, 2, 3}, {4, 5, 6});
  EXPECT_EQ(test.distance, 1);
  EXPECT_NEAR(test.p, 0.1, 1e-15);  // 2 of 20 orders
}

TEST(KolmogorovSmirnov, EqualValuesAreNoDistance) {
  const KolmogorovSmirnov test = KolmogorovSmirnovTest({2, 1, 2}, {1, 2, 2, 1, 2, 2});
  EXPECT_EQ(test.distance, 0);
  EXPECT_EQ(test.p, 1);
}

TEST(KolmogorovSmirnov, OfManyValuesByTheLimit) {
  std::vector<double> first, second;
  for (int i = 0; i < 20000; ++i) {
    first.push_back(i);
    second.push_back(i + 200.5);
  }
  const KolmogorovSmirnov test = KolmogorovSmirnovTest(first, second);
  EXPECT_NEAR(test.distance, 201 / 20000., 1e-12);
  EXPECT_NEAR(test.p, 0.2647, 2e-3);  // scipy's exact one
}

TEST(KolmogorovSmirnov, NothingToSay) {
  EXPECT_TRUE(std::isnan(KolmogorovSmirnovTest({}, {1}).p));
  EXPECT_TRUE(std::isnan(KolmogorovSmirnovTest({1, NAN}, {1}).distance));
}

}  // namespace
}  // namespace pipeline
