// Ranks over datasets against scipy's, scikit-posthocs' and hand-made ones.
#include "pipeline/statistics/ranks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace pipeline {
namespace {

const DatasetScores kScores = {{.94, .95, .95, .90, .97},
                               {.88, .90, .91, .85, .91},
                               {.97, .97, .99, .93, .98},
                               {.60, .66, .63, .58, .70}};
using Doubles = std::vector<double>;

TEST(MeanRanks, TiesShareTheirMean) {
  EXPECT_EQ(MeanRanks(kScores[0]), (Doubles{4, 2.5, 2.5, 5, 1}));
  EXPECT_EQ(MeanRanks({0.3 - 0.2, 0.2 - 0.1, 0}), (Doubles{1.5, 1.5, 3}));
  EXPECT_DEATH(MeanRanks({NAN, 1}), "");
}

TEST(Friedman, FiveMethodsOnFourDatasets) {
  const Friedman test = FriedmanTest(kScores);
  EXPECT_EQ(test.ranks, (Doubles{3.875, 2.75, 2, 5, 1.375}));
  EXPECT_NEAR(test.chi_squared, 14.07792208, 1e-8);
  EXPECT_NEAR(test.chi_squared * 0.9625, 13.55, 1e-12);  // without the correction for ties
  EXPECT_NEAR(test.chi_squared_p, 0.007050468657, 1e-12);
  EXPECT_NEAR(test.f, 21.97297297, 1e-8);
  EXPECT_NEAR(test.f_p, 0.00001887173366, 1e-14);
  EXPECT_TRUE(test.exact);
  EXPECT_NEAR(test.permutation_p, 320. / 1728000, 1e-15);
}

TEST(Friedman, AllEqual) {
  const Friedman test = FriedmanTest({{.5, .5, .5}, {.7, .7, .7}});
  EXPECT_EQ(test.ranks, (Doubles{2, 2, 2}));
  EXPECT_EQ(test.chi_squared_p, 1);
  EXPECT_EQ(test.f_p, 1);
  EXPECT_EQ(test.permutation_p, 1);
}

TEST(Friedman, AllDatasetsRankAlike) {
  const Friedman test = FriedmanTest({{.1, .2, .3}, {.4, .5, .6}, {.7, .8, .9}, {.1, .5, .6}});
  EXPECT_EQ(test.f, INFINITY);
  EXPECT_NEAR(test.f_p, 1. / 216, 1e-15);
  // Any of the six orders that all share is as consistent; the first may be any.
  EXPECT_NEAR(test.permutation_p, 1. / 216, 1e-15);
}

TEST(Friedman, OneDatasetShowsNothing) {
  const Friedman test = FriedmanTest({{.1, .2, .3}});
  EXPECT_EQ(test.permutation_p, 1);
  EXPECT_NEAR(test.f_p, 1, 1e-15);
}

TEST(Friedman, SamplesWhereCountingIsTooMuch) {
  DatasetScores scores;
  for (int d = 0; d < 12; ++d) {
    auto& row = scores.emplace_back();
    for (int j = 0; j < 9; ++j) row.push_back((d * 5 + j * 7) % 11 + 0.4 * j);
  }
  const Friedman test = FriedmanTest(scores);
  EXPECT_FALSE(test.exact);
  // With 12 datasets the F is near the truth.
  EXPECT_NEAR(test.permutation_p, test.f_p, 0.01);
  EXPECT_EQ(FriedmanTest(scores).permutation_p, test.permutation_p);
}

TEST(Nemenyi, QuantilesOfTheRange) {
  const std::vector<std::pair<int, double>> expected = {
      {2, 1.959963985},  {3, 2.343700586},  {4, 2.569031773}, {5, 2.727774371},
      {6, 2.84970542},   {7, 2.948320018},  {8, 3.03087845},  {9, 3.101730341},
      {10, 3.163683577}, {20, 3.543799132}, {63, 4.098165551}};
  for (const auto& [k, q] : expected) {
    EXPECT_NEAR(StudentizedRangeQuantile(0.95, k) / std::sqrt(2.), q, 1e-9) << k;
  }
  EXPECT_EQ(StudentizedRangeCdf(0, 3), 0);
  EXPECT_NEAR(StudentizedRangeCdf(30, 63), 1, 1e-13);
}

TEST(Nemenyi, FiveMethodsOnFourDatasets) {
  EXPECT_NEAR(NemenyiDifference(5, 4), 3.04974446, 1e-8);
  EXPECT_NEAR(NemenyiP(5 - 1.375, 5, 4), .0104235490, 1e-10);
  EXPECT_NEAR(NemenyiP(2 - 5, 5, 4), .0564316870, 1e-10);
  EXPECT_NEAR(NemenyiP(3.875 - 1.375, 5, 4), .1664090477, 1e-10);
  EXPECT_EQ(NemenyiP(0, 5, 4), 1);
}

TEST(Nemenyi, SixtyThreeMethodsNeedManyDatasets) {
  EXPECT_NEAR(NemenyiDifference(63, 4), 53.11829656, 1e-7);
  EXPECT_NEAR(NemenyiDifference(63, 8), 37.5603077, 1e-7);
  EXPECT_NEAR(NemenyiDifference(63, 10), 33.59496051, 1e-7);
  EXPECT_NEAR(NemenyiDifference(63, 20), 23.75522439, 1e-7);
  EXPECT_NEAR(NemenyiDifference(63, 100), 10.62365931, 1e-7);
  EXPECT_NEAR(ControlDifference(63, 4), 43.42836241, 1e-7);
}

TEST(IndistinctGroups, OfTheDiagram) {
  using Groups = std::vector<std::vector<int>>;
  EXPECT_EQ(IndistinctGroups({3.875, 2.75, 2, 5, 1.375}, 3.04974446),
            (Groups{{4, 2, 1, 0}, {2, 1, 0, 3}}));
  EXPECT_EQ(IndistinctGroups({1, 2, 3}, 1), Groups{});  // exactly the difference apart: told apart
  EXPECT_EQ(IndistinctGroups({1, 1.5, 5, 5.5}, 1), (Groups{{0, 1}, {2, 3}}));
  EXPECT_EQ(IndistinctGroups({2, 1}, 5), (Groups{{1, 0}}));
}

SeedsByImages Bits(const std::string& bits) {
  SeedsByImages row(1);
  for (const char bit : bits) row[0].push_back(bit - '0');
  return row;
}

const std::vector<std::vector<SeedsByImages>> kTwoSets = {
    {Bits("11101110"), Bits("10111010"), Bits("01100110")},
    {Bits("110110"), Bits("111110"), Bits("100110")}};

TEST(RankIntervals, TwoDatasetsAndThreeMethods) {
  const std::vector<RankInterval> got = RankIntervals(kTwoSets);
  const Doubles ranks = {1.5, 1.5, 3}, low = {1.25, 1, 2}, high = {2.25, 2.25, 3},
                first = {.5185, .47025, .01125};
  ASSERT_EQ(got.size(), 3);
  for (size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(got[j].rank, ranks[j]);
    EXPECT_EQ(got[j].low, low[j]);
    EXPECT_EQ(got[j].high, high[j]);
    EXPECT_NEAR(got[j].first, first[j], 1e-12);
  }
}

// Trainings on one dataset have nothing to do with those on another: were their seeds drawn as one,
// the second method would have rank 1, 1.5 or 2 in both.
TEST(RankIntervals, DatasetsDrawTheirOwnSeeds) {
  const SeedsByImages zeros(2, std::vector<double>(4, 0));
  const SeedsByImages by_seed = {{1, 1, 1, 1}, {-1, -1, -1, -1}};
  RankOptions options;
  options.level = 0.8;
  const std::vector<RankInterval> got =
      RankIntervals({{zeros, by_seed}, {zeros, by_seed}}, options);
  EXPECT_EQ(got[1].rank, 1.5);
  EXPECT_EQ(got[1].low, 1.25);
  EXPECT_EQ(got[1].high, 1.75);
}

TEST(RankIntervals, SeedsWidenThem) {
  // The second method is better with one seed, worse with the other.
  auto scores = kTwoSets;
  for (auto& dataset : scores) {
    for (SeedsByImages& method : dataset) method.push_back(method[0]);
    dataset[1][0].assign(dataset[1][0].size(), 0);
    dataset[1][1].assign(dataset[1][0].size(), 1);
  }
  const std::vector<RankInterval> got = RankIntervals(scores);
  EXPECT_EQ(got[1].low, 1);
  EXPECT_EQ(got[1].high, 3);
}

}  // namespace
}  // namespace pipeline
