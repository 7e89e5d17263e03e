// Costs of halving and its replay: worked examples.
#include "pipeline/statistics/halving.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

using Sizes = std::vector<int64_t>;

TEST(Halving, CostsOfSixtyThreeFusions) {
  EXPECT_EQ(RungSizes(63, 3, 4), (Sizes{63, 21, 7, 3}));
  EXPECT_EQ(RungSizes(2, 3, 3), (Sizes{2, 1, 1}));
  const HalvingCost ceil = CostOf(RungSizes(63, 3, 4), {1, 3, 9, 27});
  EXPECT_EQ(ceil.epochs, 201);
  EXPECT_EQ(ceil.full, 1701);
  EXPECT_NEAR(ceil.gain, 8.46, 0.005);
  const HalvingCost floor = CostOf({63, 21, 7, 2}, {1, 3, 9, 27});
  EXPECT_EQ(floor.epochs, 183);
  EXPECT_NEAR(floor.gain, 9.30, 0.005);
  const HalvingCost five = CostOf({63, 21, 7}, {1, 2, 5});
  EXPECT_EQ(five.epochs, 105);
  EXPECT_EQ(five.full, 315);
  EXPECT_EQ(five.gain, 3);
  EXPECT_DEATH(CostOf({63, 21}, {2, 1}), "");
  EXPECT_DEATH(CostOf({21, 63}, {1, 2}), "");
}

std::vector<std::vector<std::vector<double>>> Example() {
  std::vector<std::vector<std::vector<double>>> values(9);
  const int rungs[] = {1, 3, 9};
  for (int c = 0; c < 9; ++c) {
    for (int s = 0; s < 3; ++s) {
      auto& run = values[c].emplace_back();
      for (int e = 0; e < 3; ++e) {
        const double value =
            .70 + .01 * c * std::sqrt(rungs[e] / 9.) + .03 * std::sin(c + 5 * s + e);
        run.push_back(std::round(value * 1e6) / 1e6);
      }
    }
  }
  return values;
}

TEST(Replay, OneSeed) {
  const HalvingReplay replay = ReplayHalving(Example(), {9, 3, 1}, 1);
  EXPECT_EQ(replay.best, 8);
  ASSERT_EQ(replay.draws.size(), 3);
  EXPECT_EQ(replay.draws[0].pick, 7);
  EXPECT_EQ(replay.draws[1].pick, 8);
  EXPECT_EQ(replay.draws[2].pick, 3);
  EXPECT_EQ(replay.survived, 1);
  EXPECT_EQ(replay.orders, 3);
  EXPECT_NEAR(replay.regret, .02446155556, 1e-11);
  EXPECT_EQ(replay.draws[1].regret, 0);
  EXPECT_NEAR(replay.most_regret, 0.068718666666667, 1e-14);
}

TEST(Replay, AllMultisetsOfThreeSeeds) {
  const HalvingReplay replay = ReplayHalving(Example(), {9, 3, 1}, 3);
  EXPECT_EQ(replay.draws.size(), 10);
  EXPECT_EQ(replay.orders, 27);
  EXPECT_EQ(replay.survived, 19);
  EXPECT_NEAR(replay.regret, .01087180247, 1e-11);
  EXPECT_EQ(replay.draws[1].seeds, (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(replay.draws[1].orders, 3);
  EXPECT_EQ(replay.draws[4].seeds, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(replay.draws[4].orders, 6);
}

TEST(Survivors, TheLowestIndexOfEquals) {
  // Sums of the same three numbers in other orders.
  const std::vector<std::vector<std::vector<double>>> values = {
      {{.3}, {.2}, {.1}}, {{.1}, {.2}, {.3}}, {{.2}, {.3}, {.1}}, {{.3}, {.3}, {.1}}};
  EXPECT_EQ(Survivors(values, {0, 1, 2, 3}, {0, 1, 2}, 0, 2), (std::vector<int>{3, 0}));
  EXPECT_EQ(Survivors(values, {2, 1}, {0, 1, 2}, 0, 1), (std::vector<int>{1}));
}

TEST(Replay, TenSeedsAreStillCounted) {
  std::vector<std::vector<std::vector<double>>> values(2);
  for (int s = 0; s < 10; ++s) {
    values[0].push_back({.5, .6});
    values[1].push_back({.4, .5 + .01 * s});
  }
  const HalvingReplay replay = ReplayHalving(values, {2, 1}, 10);
  EXPECT_EQ(replay.draws.size(), 92378);
  EXPECT_EQ(replay.orders, 10000000000);
  EXPECT_EQ(replay.survived, replay.orders);
  EXPECT_DEATH(ReplayHalving({{{.5}, {.6, .7}}}, {1}, 1), "");
}

}  // namespace
}  // namespace pipeline
