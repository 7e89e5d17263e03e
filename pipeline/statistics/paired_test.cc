// McNemar's test and the paired bootstrap against the figures of numpy, scipy and statsmodels.
#include "pipeline/statistics/paired.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/statistics/normal.h"

namespace pipeline {
namespace {

TEST(Philox, IsNumpys) {
  // numpy.random.Philox(key=[42, 1], counter=[0, 7, 0, 0]).random_raw(4): numpy counts first.
  const PhiloxBlock expected = {5362162366488802786u, 17564202600962369041u, 7247185697740115986u,
                                16063911493943883603u};
  EXPECT_EQ(Philox({42, 1}, {1, 7, 0, 0}), expected);
}

TEST(Philox, AStreamGivesIndices) {
  PhiloxStream stream({42, 1}, 0);
  for (const int64_t index :
       {8, 16, 10, 7, 0, 6, 19, 15, 19, 5, 4, 9, 5, 5, 14, 14, 7, 19, 14, 13}) {
    EXPECT_EQ(stream.Below(20), index);
  }
}

TEST(Normal, QuantileIsTheInverse) {
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_NEAR(NormalQuantile(1e-10), -6.361340902404056, 1e-12);
  EXPECT_NEAR(NormalQuantile(1e-300), -37.0471, 1e-4);
  EXPECT_EQ(NormalQuantile(0.5), 0);
  EXPECT_EQ(NormalQuantile(0), -INFINITY);
  EXPECT_TRUE(std::isnan(NormalQuantile(1.1)));
}

TEST(McNemar, IsThatOfStatsmodels) {
  const McNemar test = McNemarTest(12, 4);
  EXPECT_NEAR(test.exact, 0.07681274414062500, 1e-15);
  EXPECT_NEAR(test.mid_p, 0.04904174804687500, 1e-15);
  EXPECT_NEAR(McNemarTest(4, 12).exact, test.exact, 1e-15);
}

TEST(McNemar, EquallyManyMistakes) {
  const McNemar even = McNemarTest(5, 5);
  EXPECT_EQ(even.exact, 1);
  EXPECT_NEAR(even.mid_p, 0.876953125, 1e-14);
  EXPECT_EQ(McNemarTest(0, 0).exact, 1);
  EXPECT_EQ(McNemarTest(0, 0).mid_p, 1);
}

TEST(McNemar, CountsSamplesThatOnlyOneAnswersRight) {
  const McNemar test = McNemarTest({true, true, false, true}, {true, false, true, false});
  EXPECT_EQ(test.only_first, 2);
  EXPECT_EQ(test.only_second, 1);
}

const std::vector<double> kSkewed = {.9, .2, -.4, 1.7, .3, -.1, .8, 2.9, .05, .6};
const std::vector<double> kZeros(10, 0);

BootstrapOptions Options(const PhiloxKey& key, IntervalKind kind, int64_t resamples = 9999) {
  BootstrapOptions options;
  options.key = key;
  options.resamples = resamples;
  options.kind = kind;
  return options;
}

TEST(PairedBootstrap, PercentileOfOurResamples) {
  const BootstrapInterval got =
      PairedBootstrap(kZeros, kSkewed, Options({42, 1}, IntervalKind::kPercentile));
  EXPECT_NEAR(got.difference, 0.695, 1e-15);
  EXPECT_NEAR(got.low, 0.185, 1e-12);
  EXPECT_NEAR(got.high, 1.32, 1e-12);
  EXPECT_NEAR(got.standard_error, 0.2945218883, 1e-10);
}

// Sums of twenty times the samples are whole numbers: of these scipy gives 50 and 292. Of the means
// themselves it gives a little more, as rounding tells apart what is equal.
TEST(PairedBootstrap, BcaIsScipysForOurResamples) {
  const BootstrapInterval got =
      PairedBootstrap(kZeros, kSkewed, Options({42, 1}, IntervalKind::kBca));
  EXPECT_NEAR(got.low, 50 / 200., 1e-9);
  EXPECT_NEAR(got.high, 292 / 200., 1e-9);
}

TEST(PairedBootstrap, RightAnswersOfTwoClassifiers) {
  const std::vector<double> first = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0};
  const std::vector<double> second = {1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0};
  for (const IntervalKind kind : {IntervalKind::kPercentile, IntervalKind::kBca}) {
    const BootstrapInterval got = PairedBootstrap(first, second, Options({42, 1}, kind));
    EXPECT_NEAR(got.difference, 0.2, 1e-15);
    EXPECT_NEAR(got.low, -0.05, 1e-12);
    EXPECT_NEAR(got.high, 0.45, 1e-12);
    EXPECT_NEAR(got.standard_error, 0.1343022031, 1e-10);
  }
}

// Macro F1 over three classes, 0 / 0 being 0.
double MacroF1(const std::vector<int64_t>& samples) {
  const int truth[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2}, predicted[] = {0, 0, 0, 0, 1, 0, 1, 1, 0, 0};
  double sum = 0;
  for (int c = 0; c < 3; ++c) {
    int both = 0, either = 0;
    for (const int64_t i : samples) {
      both += truth[i] == c && predicted[i] == c;
      either += (truth[i] == c) + (predicted[i] == c);
    }
    if (either > 0) sum += 2.0 * both / either;
  }
  return sum / 3;
}

TEST(PairedBootstrap, WithinClassesNoneIsEverMissing) {
  BootstrapOptions options = Options({42, 7}, IntervalKind::kPercentile, 2000);
  options.strata = {{0, 1, 2, 3, 4, 5}, {6, 7, 8}, {9}};
  const BootstrapInterval within = PairedBootstrap(10, MacroF1, options);
  EXPECT_NEAR(within.difference, 0.4786324786, 1e-10);
  EXPECT_NEAR(within.low, 0.2222222222, 1e-10);
  EXPECT_NEAR(within.high, 0.641025641, 1e-10);
  const BootstrapInterval plain =
      PairedBootstrap(10, MacroF1, Options({42, 6}, IntervalKind::kPercentile, 2000));
  EXPECT_NEAR(plain.low, 0.2222222222, 1e-10);
  EXPECT_NEAR(plain.high, 0.6666666667, 1e-10);
}

TEST(PairedBootstrap, NothingToSay) {
  EXPECT_TRUE(std::isnan(PairedBootstrap({}, {}).difference));
  const BootstrapInterval same =
      PairedBootstrap({1, 0, 1}, {1, 0, 1}, Options({42, 1}, IntervalKind::kBca));
  EXPECT_EQ(same.low, 0);
  EXPECT_EQ(same.high, 0);
  const BootstrapInterval undefined = PairedBootstrap({1, 0, 1}, {1, NAN, 1});
  EXPECT_TRUE(std::isnan(undefined.difference));
  EXPECT_TRUE(std::isnan(undefined.low));
}

}  // namespace
}  // namespace pipeline
