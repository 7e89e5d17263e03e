// Seeds and images crossed: the worked example of eight images and three seeds, and its limits.
#include "pipeline/statistics/crossed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pipeline/statistics/distributions.h"
#include "pipeline/statistics/resampled_means.h"

namespace pipeline {
namespace {

const SeedsByImages kExample = {
    {1, 0, 0, 1, 0, 0, -1, 1}, {0, 0, 1, 1, 0, 0, 0, 1}, {1, 0, 0, 0, 0, -1, 0, 1}};

double HalfWidth(const MeanInterval& interval) { return (interval.high - interval.low) / 2; }

TEST(CrossedAnova, WorkedExample) {
  const CrossedInterval got = CrossedAnova(kExample);
  EXPECT_DOUBLE_EQ(got.mean, 0.25);
  EXPECT_NEAR(got.seed_squares, 0.125, 1e-15);
  EXPECT_NEAR(got.image_squares, 0.7380952381, 1e-10);
  EXPECT_NEAR(got.error_squares, 0.2202380952, 1e-10);
  EXPECT_NEAR(got.both.variance, 0.02678571429, 1e-11);
  EXPECT_NEAR(std::sqrt(got.both.variance), 0.1636634177, 1e-10);
  EXPECT_NEAR(got.both.degrees, 4.63803681, 1e-8);
  EXPECT_NEAR(StudentQuantile(0.975, got.both.degrees), 2.632110154, 1e-9);
  EXPECT_NEAR(HalfWidth(got.both), 0.4307801436, 1e-10);
  EXPECT_NEAR(HalfWidth(got.images), 0.4146796471, 1e-10);
  EXPECT_NEAR(HalfWidth(got.seeds), 0.310517214, 1e-9);
  EXPECT_EQ(got.images.degrees, 7);
  EXPECT_EQ(got.seeds.degrees, 2);
  EXPECT_NEAR(std::sqrt(got.seeds.variance), 0.07216878365, 1e-11);
  EXPECT_NEAR(std::sqrt(got.images.variance), 0.1753680936, 1e-10);
  EXPECT_EQ(got.main_level, Level::kBoth);
  EXPECT_EQ(got.Main().high, got.both.high);
  EXPECT_NEAR((got.both.low + got.both.high) / 2, 0.25, 1e-15);
}

TEST(CrossedAnova, OneSeedSpeaksOfImagesOnly) {
  const CrossedInterval got = CrossedAnova({kExample[0]});
  EXPECT_EQ(got.main_level, Level::kImages);
  EXPECT_TRUE(std::isnan(got.both.low));
  EXPECT_TRUE(std::isnan(got.seeds.high));
  // st.ttest_1samp([1, 0, 0, 1, 0, 0, -1, 1], 0).confidence_interval(.95)
  EXPECT_NEAR(got.Main().low, -0.341156062898, 1e-10);
  EXPECT_NEAR(got.Main().high, 0.841156062898, 1e-10);
}

TEST(CrossedAnova, ANegativeVarianceSaysNothing) {
  // What a seed gains on one image it loses on the other: all is error.
  const CrossedInterval got = CrossedAnova({{1, -1, 1, -1}, {-1, 1, -1, 1}});
  EXPECT_TRUE(std::isnan(got.both.variance));
  EXPECT_EQ(got.images.variance, 0);
  EXPECT_EQ(got.Main().low, 0);
  EXPECT_EQ(got.Main().high, 0);
}

// Satterthwaite's formula gives 0.0014 degrees of freedom here.
TEST(CrossedAnova, AVarianceNearZeroHasTheDegreesOfTheSeeds) {
  const CrossedInterval got = CrossedAnova(
      {{-1, 1, 0, -1, -1, 1, -1, 0}, {0, 0, 1, 1, 0, -1, 1, 1}, {1, 1, -1, 1, 1, 0, -1, -1}});
  EXPECT_NEAR(got.both.variance, 0.02380952381 / 24, 1e-12);
  EXPECT_EQ(got.both.degrees, 2);
  EXPECT_NEAR(HalfWidth(got.both), 4.302652730 * std::sqrt(0.02380952381 / 24), 1e-9);
  EXPECT_NE(got.main_level, Level::kBoth);
}

TEST(CrossedAnova, TheWidestIsTheMainOne) {
  // Both seeds are right on ten of twenty images, not quite the same ones: what they differ in is
  // taken for error, which "both" subtracts.
  SeedsByImages same_mean(2, std::vector<double>(20, 0));
  for (int i = 0; i < 10; ++i) same_mean[0][i] = same_mean[1][i + 1] = 1;
  const CrossedInterval got = CrossedAnova(same_mean);
  EXPECT_EQ(got.main_level, Level::kImages);
  EXPECT_GT(HalfWidth(got.images), HalfWidth(got.both));
  EXPECT_GT(HalfWidth(CrossedAnova(kExample, 0.999).Main()),
            HalfWidth(CrossedAnova(kExample).Main()));
}

TEST(CrossedBootstrap, WorkedExample) {
  EXPECT_NEAR(std::sqrt(PigeonholeVariance(kExample)), 0.189036911, 1e-9);
  EXPECT_NEAR(std::sqrt(PigeonholeVariance({kExample[0]})), std::sqrt(.4375 / 8), 1e-12);
  const BootstrapInterval got = CrossedBootstrap(kExample);
  EXPECT_EQ(got.difference, 0.25);
  EXPECT_NEAR(got.standard_error, 0.1902693153, 1e-10);
  EXPECT_NEAR(got.low, -0.125, 1e-12);
  EXPECT_NEAR(got.high, 0.625, 1e-12);
}

TEST(CrossedBootstrap, TwentyImagesOfOneSeed) {
  const SeedsByImages d = {{1, 0, 0, 1, 0, -1, 0, 1, 0, 0, 1, 0, 0, 0, -1, 1, 0, 0, 1, 0}};
  CrossedOptions options;
  options.images = {42, 1};
  const BootstrapInterval got = CrossedBootstrap(d, options);
  EXPECT_NEAR(got.difference, 0.2, 1e-15);
  EXPECT_NEAR(got.low, -0.05, 1e-12);
  EXPECT_NEAR(got.high, 0.45, 1e-12);
  EXPECT_NEAR(got.standard_error, 0.1343022031, 1e-10);
  EXPECT_NEAR(std::sqrt(PigeonholeVariance(d)), 0.1341640786, 1e-10);
}

TEST(CrossedBootstrap, OfAnyMetricSeesSubmatrices) {
  const auto mean = [](const std::vector<int64_t>& seeds, const std::vector<int64_t>& images) {
    double sum = 0;
    for (const int64_t s : seeds) {
      for (const int64_t i : images) sum += kExample[s][i];
    }
    return sum / static_cast<double>(seeds.size() * images.size());
  };
  const BootstrapInterval got = CrossedBootstrap(3, 8, mean);
  const BootstrapInterval same = CrossedBootstrap(kExample);
  EXPECT_EQ(got.difference, same.difference);
  EXPECT_EQ(got.low, same.low);
  EXPECT_EQ(got.high, same.high);
  EXPECT_NEAR(got.standard_error, same.standard_error, 1e-15);
}

TEST(CrossedBootstrap, OneSeedIsThePairedBootstrap) {
  const std::vector<double> zeros(8, 0);
  BootstrapOptions paired;
  paired.key = {42, 3};
  const BootstrapInterval expected = PairedBootstrap(zeros, kExample[0], paired);
  const BootstrapInterval got = CrossedBootstrap({kExample[0]});
  EXPECT_EQ(got.low, expected.low);
  EXPECT_EQ(got.high, expected.high);
  EXPECT_NEAR(got.standard_error, expected.standard_error, 1e-15);
}

TEST(CrossedBootstrap, ManyRecipesAreEachAsIfAlone) {
  SeedsByImages other = kExample;
  other[0] = {0, 1, 1, 0, 1, 0, 0, -1};
  const std::vector<BootstrapInterval> got = CrossedBootstraps({kExample, other});
  ASSERT_EQ(got.size(), 2);
  const BootstrapInterval alone = CrossedBootstrap(other);
  EXPECT_EQ(got[1].difference, alone.difference);
  EXPECT_EQ(got[1].low, alone.low);
  EXPECT_EQ(got[1].high, alone.high);
  EXPECT_EQ(got[1].standard_error, alone.standard_error);
  EXPECT_NE(got[0].low, got[1].low);
}

TEST(CrossedBootstrap, NothingToSay) {
  EXPECT_TRUE(std::isnan(CrossedBootstrap({{1, NAN, 0}}).low));
  EXPECT_DEATH(CrossedAnova({}), "");
  EXPECT_DEATH(CrossedAnova({{1, 0}, {1}}), "");
}

TEST(ResampledMeans, OfEachRecipeOverTheSameResample) {
  SeedsByImages twice = kExample;
  for (auto& row : twice) {
    for (double& value : row) value *= 2;
  }
  const ResampledMeans means({kExample, twice});
  const CrossedResample drawn = DrawCrossed(3, 8, {}, 5);
  double sum = 0;
  for (const int64_t s : drawn.seeds) {
    for (const int64_t i : drawn.images) sum += kExample[s][i];
  }
  const std::vector<double> got = means.Means({}, 5);
  EXPECT_DOUBLE_EQ(got[0], sum / 24);
  EXPECT_DOUBLE_EQ(got[1], sum / 12);
  EXPECT_EQ(means.Means()[1], 0.5);
}

}  // namespace
}  // namespace pipeline
