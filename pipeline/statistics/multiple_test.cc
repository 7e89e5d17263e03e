// Adjusted p-values against statsmodels', and intervals of a family.
#include "pipeline/statistics/multiple.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

void ExpectNear(const std::vector<double>& got, const std::vector<double>& expected, double near) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], near) << i;
}

const std::vector<double> kP = {.001, .04, .008, .039, .2, .008, .6};

TEST(Holm, SevenValues) {
  ExpectNear(HolmAdjusted(kP), {.007, .156, .048, .156, .4, .048, .6}, 1e-12);
  EXPECT_TRUE(HolmAdjusted({}).empty());
  EXPECT_EQ(HolmAdjusted({0.7, 0.8}), (std::vector<double>{1, 1}));
  EXPECT_DEATH(HolmAdjusted({NAN}), "");
}

TEST(BenjaminiHochberg, SevenValues) {
  ExpectNear(BenjaminiHochbergAdjusted(kP),
             {.007, .056, .01866666667, .056, .2333333333, .01866666667, .6}, 1e-10);
}

TEST(TNeeded, OverFiftySixComparisons) {
  EXPECT_NEAR(TNeeded(56, 2), 33.44398636, 1e-8);
  EXPECT_NEAR(TNeeded(56, 4), 8.868631128, 1e-9);
  EXPECT_NEAR(TNeeded(1, 2), 4.302652730, 1e-9);
  EXPECT_NEAR(FamilyLevel(0.95, 50), 0.999, 1e-15);
}

std::vector<double> Bits(const std::string& bits) {
  std::vector<double> values;
  for (const char bit : bits) values.push_back(bit - '0');
  return values;
}

std::vector<SeedsByImages> AgainstTheFirst() {
  const std::vector<double> first = Bits("1110110111");
  std::vector<SeedsByImages> differences;
  for (const char* bits : {"1011111101", "1101101111", "0111111010"}) {
    std::vector<double> row = Bits(bits);
    for (size_t i = 0; i < row.size(); ++i) row[i] -= first[i];
    differences.push_back({row});
  }
  return differences;
}

TEST(MaxT, FourConfigurationsAndTenImages) {
  CrossedOptions options;
  options.images = {42, 5};
  const MaxT got = MaxTIntervals(AgainstTheFirst(), options);
  EXPECT_NEAR(got.critical, 2.258769757, 1e-9);
  ASSERT_EQ(got.intervals.size(), 3);
  EXPECT_NEAR(got.intervals[0].difference, 0, 1e-15);
  EXPECT_NEAR(got.intervals[2].difference, -0.1, 1e-15);
  EXPECT_NEAR(got.intervals[1].standard_error, 0.2, 1e-12);
  EXPECT_NEAR(got.intervals[2].standard_error, 0.2213594362, 1e-10);
  EXPECT_NEAR(got.intervals[1].high, 0.2 * 2.258769757, 1e-9);
  EXPECT_NEAR(got.intervals[2].low, -0.1 - 0.2213594362 * 2.258769757, 1e-9);
  EXPECT_EQ(got.intervals[0].p, 1);
  EXPECT_GT(got.intervals[2].p, 0.5);
}

TEST(MaxT, WhatNeverDiffersIsLeftOut) {
  std::vector<SeedsByImages> differences = AgainstTheFirst();
  CrossedOptions options;
  options.images = {42, 5};
  const double critical = MaxTIntervals(differences, options).critical;
  differences.insert(differences.begin(), SeedsByImages{std::vector<double>(10, 0)});
  const MaxT got = MaxTIntervals(differences, options);
  EXPECT_EQ(got.critical, critical);
  EXPECT_EQ(got.intervals[0].low, 0);
  EXPECT_EQ(got.intervals[0].high, 0);
  EXPECT_TRUE(std::isnan(got.intervals[0].p));
  EXPECT_TRUE(std::isnan(MaxTIntervals({differences[0]}).critical));
}

TEST(MaxT, ASeedThatDiffersWidensTheInterval) {
  // The same mean over seeds with and without spread between them.
  const std::vector<double> row = {1, 0, 1, 0, 1, 1, 0, 1};
  std::vector<double> low = row, high = row;
  for (double& value : low) value -= 0.5;
  for (double& value : high) value += 0.5;
  const MaxT same = MaxTIntervals({{row, row}});
  const MaxT spread = MaxTIntervals({{low, high}});
  EXPECT_EQ(same.intervals[0].difference, spread.intervals[0].difference);
  EXPECT_GT(spread.intervals[0].high, same.intervals[0].high + 0.2);
  EXPECT_LT(same.intervals[0].p, 0.05);
  EXPECT_GT(spread.intervals[0].p, 0.1);
}

}  // namespace
}  // namespace pipeline
