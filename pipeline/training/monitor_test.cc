// Which epoch is called the best.
#include "pipeline/training/monitor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace {

using pipeline::Better;
using pipeline::Monitor;

std::vector<bool> Judged(Monitor* monitor, const std::vector<double>& values) {
  std::vector<bool> best;
  for (const double value : values) best.push_back(monitor->Judge(value));
  return best;
}

TEST(Monitor, PrefersTheHighestAndTheEarliest) {
  Monitor monitor(Better::kHigher);
  EXPECT_EQ(monitor.best_epoch(), -1);
  EXPECT_EQ(Judged(&monitor, {0.5, 0.7, 0.7, 0.6}), (std::vector<bool>{true, true, false, false}));
  EXPECT_EQ(monitor.best_epoch(), 1);
  EXPECT_EQ(monitor.waited(), 2);
}

TEST(Monitor, PrefersTheLowestWhereLowerIsBetter) {
  Monitor monitor(Better::kLower);
  EXPECT_EQ(Judged(&monitor, {3, 1, 2}), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(monitor.best_epoch(), 1);
}

TEST(Monitor, TakesTheLatestAsLongAsTheValueIsUndefined) {
  Monitor monitor(Better::kHigher);
  EXPECT_EQ(Judged(&monitor, {NAN, NAN, NAN, NAN}), (std::vector<bool>{true, true, true, true}));
  EXPECT_FALSE(monitor.defined());
  EXPECT_EQ(monitor.best_epoch(), 3);
  EXPECT_EQ(monitor.waited(), 0) << "nothing to wait for";
  EXPECT_EQ(monitor.PlateauFactor(), 1);
  EXPECT_EQ(Judged(&monitor, {0, NAN}), (std::vector<bool>{true, false}));
  EXPECT_EQ(monitor.best_epoch(), 4);
}

TEST(Monitor, HalvesTheRateOnAPlateau) {
  Monitor monitor(Better::kLower);
  Judged(&monitor, {NAN, 0.5, 0.6, 0.6});
  EXPECT_EQ(monitor.PlateauFactor(), 1);
  monitor.Judge(0.5);
  EXPECT_EQ(monitor.PlateauFactor(), 0.5);
}

}  // namespace
