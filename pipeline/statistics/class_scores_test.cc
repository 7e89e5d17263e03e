// Wilson's interval against statsmodels', macro F1 against scikit-learn's.
#include "pipeline/statistics/class_scores.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace pipeline {
namespace {

TEST(Wilson, IsThatOfStatsmodels) {
  EXPECT_NEAR(WilsonInterval(97, 100).low, .9154806357, 1e-10);
  EXPECT_NEAR(WilsonInterval(97, 100).high, .989745476, 1e-9);
  EXPECT_NEAR(WilsonInterval(100, 100).low, .9630065018, 1e-10);
  EXPECT_EQ(WilsonInterval(100, 100).high, 1);
  EXPECT_EQ(WilsonInterval(0, 100).low, 0);
  EXPECT_NEAR(WilsonInterval(190, 200).low, .9104218519, 1e-10);
  EXPECT_NEAR(WilsonInterval(190, 200).high, .9726173544, 1e-10);
  EXPECT_DEATH(WilsonInterval(3, 2), "");
}

const std::vector<int> kTruth = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2};
const std::vector<int> kAnswers = {0, 0, 0, 0, 1, 0, 1, 1, 0, 0};

std::vector<int64_t> All(size_t count) {
  std::vector<int64_t> all(count);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST(MacroF1, CountsAClassThatIsNeverRight) {
  EXPECT_NEAR(MacroF1(kTruth, kAnswers, All(10), 3), .4786324786, 1e-10);
  EXPECT_NEAR(MacroF1(kTruth, kAnswers, {0, 1, 2}, 3), 1. / 3, 1e-15);
  EXPECT_TRUE(std::isnan(MacroF1(kTruth, kAnswers, {}, 3)));
}

TEST(MacroF1, WithinClassesAsWorkedOut) {
  BootstrapOptions options;
  options.key = {42, 7};
  options.resamples = 2000;
  options.strata = SamplesByClass(kTruth, 3);
  const auto score = [](const std::vector<int64_t>& samples) {
    return MacroF1(kTruth, kAnswers, samples, 3);
  };
  const BootstrapInterval got = PairedBootstrap(10, score, options);
  EXPECT_NEAR(got.low, .2222222222, 1e-10);
  EXPECT_NEAR(got.high, .641025641, 1e-9);
}

TEST(MacroF1, FewSamplesOfAClassSayNothing) {
  EXPECT_FALSE(MacroF1Interval(kTruth, kAnswers, 3).has_value());
  std::vector<int> truth = {0, 0, 0, 0, 0, 1, 1, 1, 1}, answers = {0, 0, 0, 0, 1, 1, 1, 1, 0};
  EXPECT_FALSE(MacroF1Interval(truth, answers, 2).has_value());
  truth.push_back(1);
  answers.push_back(1);
  const auto own = MacroF1Interval(truth, answers, 2);
  ASSERT_TRUE(own.has_value());
  EXPECT_NEAR(own->difference, 0.8, 1e-12);
  EXPECT_LT(own->low, own->difference);
  EXPECT_LE(own->high, 1);
  const auto same = MacroF1Difference(truth, answers, answers, 2);
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->low, 0);
  EXPECT_EQ(same->high, 0);
  const auto better = MacroF1Difference(truth, answers, truth, 2);
  EXPECT_NEAR(better->difference, 0.2, 1e-12);
  EXPECT_GE(better->low, 0);
}

}  // namespace
}  // namespace pipeline
