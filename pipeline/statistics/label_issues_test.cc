// Labels in doubt: cleanlab's figures for twelve images of three classes.
#include "pipeline/statistics/label_issues.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pipeline {
namespace {

const std::vector<int> kGiven = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
const Probabilities kSaid = {{.90, .06, .04}, {.81, .12, .07}, {.12, .83, .05}, {.55, .30, .15},
                             {.10, .85, .05}, {.20, .71, .09}, {.77, .13, .10}, {.30, .44, .26},
                             {.05, .10, .85}, {.08, .30, .62}, {.11, .80, .09}, {.33, .33, .34}};
using Images = std::vector<int64_t>;

TEST(ConfidentJoint, TwelveImages) {
  const ConfidentJoint joint = ConfidentJointOf(kSaid, kGiven);
  EXPECT_NEAR(joint.thresholds[0], .595, 1e-12);
  EXPECT_NEAR(joint.thresholds[1], .5325, 1e-12);
  EXPECT_NEAR(joint.thresholds[2], .475, 1e-12);
  EXPECT_EQ(joint.counted, (LabelCounts{{2, 1, 0}, {1, 2, 0}, {0, 1, 2}}));
  EXPECT_EQ(joint.calibrated, (LabelCounts{{3, 1, 0}, {1, 3, 0}, {0, 1, 3}}));
}

TEST(LabelIssues, TwelveImagesByEveryFilter) {
  for (const LabelFilter filter : {LabelFilter::kPruneByNoiseRate, LabelFilter::kPruneByClass,
                                   LabelFilter::kBoth, LabelFilter::kConfidentLearning}) {
    EXPECT_EQ(LabelIssues(kSaid, kGiven, filter), (Images{10, 2, 6}));
  }
}

TEST(LabelScores, TwelveImages) {
  const std::vector<double> own = LabelScores(kSaid, kGiven);
  Images order(12);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&own](int64_t a, int64_t b) { return own[a] < own[b]; });
  EXPECT_EQ(order, (Images{10, 2, 6, 11, 7, 3, 9, 5, 1, 4, 8, 0}));
  const std::vector<double> margins = LabelScores(kSaid, kGiven, LabelScore::kNormalizedMargin);
  const double expected[] = {.92, .845, .145, .625, .875, .755, .18, .57, .875, .66, .145, .505};
  for (size_t i = 0; i < 12; ++i) EXPECT_NEAR(margins[i], expected[i], 1e-12) << i;
  const std::vector<double> adjusted =
      LabelScores(kSaid, kGiven, LabelScore::kSelfConfidence, true);
  EXPECT_NEAR(adjusted[0], .7610993658, 1e-10);
  EXPECT_NEAR(adjusted[1], .6849894292, 1e-10);
  EXPECT_NEAR(adjusted[2], .1014799154, 1e-10);
}

TEST(LabelIssues, NeverTheMostLikelyClass) {
  // Right everywhere, if not sure: nothing is in doubt.
  EXPECT_TRUE(LabelIssues({{.6, .4}, {.9, .1}, {.4, .6}, {.1, .9}}, {0, 0, 1, 1}).empty());
  // An even split counts as right.
  EXPECT_TRUE(LabelIssues({{.5, .5}, {.9, .1}, {.1, .9}, {.2, .8}}, {1, 0, 1, 1},
                          LabelFilter::kPruneByClass)
                  .empty());
}

TEST(LabelIssues, AClassWithoutImages) {
  const Probabilities said = {{.9, .05, .05}, {.1, .3, .6}, {.8, .1, .1},
                              {.2, .1, .7},   {.1, .1, .8}, {.9, .05, .05}};
  const std::vector<int> given = {0, 0, 0, 2, 2, 2};
  EXPECT_EQ(ConfidentJointOf(said, given).thresholds[1], 2);
  EXPECT_EQ(LabelIssues(said, given), (Images{5, 1}));
}

TEST(LabelIssues, NothingToJudge) {
  EXPECT_DEATH(LabelIssues({}, {}), "");
  EXPECT_DEATH(LabelIssues({{1}}, {0}), "");
  EXPECT_DEATH(LabelIssues({{NAN, 1}}, {0}), "");
}

}  // namespace
}  // namespace pipeline
