// Effects of seven losses against statsmodels' least squares.
#include "pipeline/statistics/effects.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/statistics/least_squares.h"

namespace pipeline {
namespace {

// Singles, pairs, triples, each in order.
LossSets Fusions(int losses) {
  LossSets sets;
  for (int a = 0; a < losses; ++a) sets.push_back({a});
  for (int a = 0; a < losses; ++a) {
    for (int b = a + 1; b < losses; ++b) sets.push_back({a, b});
  }
  for (int a = 0; a < losses; ++a) {
    for (int b = a + 1; b < losses; ++b) {
      for (int c = b + 1; c < losses; ++c) sets.push_back({a, b, c});
    }
  }
  return sets;
}

const LossSets kSets = Fusions(7);

bool In(const std::vector<int>& set, int loss) {
  return std::count(set.begin(), set.end(), loss) > 0;
}

std::vector<double> Scores() {
  std::vector<double> scores;
  for (size_t j = 0; j < kSets.size(); ++j) {
    const std::vector<int>& set = kSets[j];
    scores.push_back(.85 + .01 * std::sin(static_cast<double>(j + 1)) + .02 * In(set, 0) -
                     .03 * In(set, 5) + .015 * (In(set, 0) && In(set, 3)));
  }
  return scores;
}

TEST(Additive, SixtyThreeFusions) {
  ASSERT_EQ(kSets.size(), 63);
  EXPECT_EQ(kSets[7], (std::vector<int>{0, 1}));
  EXPECT_EQ(kSets[28], (std::vector<int>{0, 1, 2}));
  const auto model = AdditiveModel(kSets, 7);
  ASSERT_TRUE(model.has_value());
  EXPECT_NEAR(Apply(model->base, Scores()), .8505604204, 1e-10);
  const double beta[] = {.02305699956,   .001091473171, .001165725683, -.0004039207739,
                         -.001135550643, -.03145000275, .0002052473391};
  for (int a = 0; a < 7; ++a) EXPECT_NEAR(Apply(model->losses[a], Scores()), beta[a], 1e-11) << a;
  EXPECT_NEAR(ResidualSquares(*model, kSets, Scores()), .004428335286, 1e-12);
  EXPECT_EQ(model->residual_degrees, 55);
  EXPECT_TRUE(model->interactions.empty());
}

TEST(Pairwise, SixtyThreeFusions) {
  const auto model = PairwiseModel(kSets, 7);
  ASSERT_TRUE(model.has_value());
  EXPECT_NEAR(Apply(model->losses[0], Scores()), .02375532194, 1e-11);
  ASSERT_EQ(model->pairs[2], (std::pair<int, int>{0, 3}));
  EXPECT_NEAR(Apply(model->interactions[2], Scores()), .02229949333, 1e-11);
  EXPECT_NEAR(ResidualSquares(*model, kSets, Scores()), .001730874279, 1e-12);
  EXPECT_EQ(model->residual_degrees, 34);
  EXPECT_EQ(model->interactions.size(), 21);
}

TEST(Matched, IsNotTheNaiveDifference) {
  const MatchedEffect first = MatchedDifference(kSets, 0), sixth = MatchedDifference(kSets, 5);
  EXPECT_EQ(first.pairs, 21);
  EXPECT_NEAR(Apply(first.form, Scores()), .02259592894, 1e-11);
  EXPECT_NEAR(Apply(sixth.form, Scores()), -.03168297207, 1e-11);
  EXPECT_NEAR(Apply(NaiveDifference(kSets, 0), Scores()), .02664443301, 1e-11);
  EXPECT_NEAR(Apply(NaiveDifference(kSets, 5), Scores()), -.03426804851, 1e-11);
}

// Under an additive truth the naive difference takes away .1175 of the other losses' effects.
TEST(Naive, HasAKnownBias) {
  const double beta[] = {.01, .03, -.02, .005, 0, .04, -.01};
  std::vector<double> scores;
  for (const auto& set : kSets) {
    double score = .8;
    for (const int loss : set) score += beta[loss];
    scores.push_back(score);
  }
  double others = 0;
  for (int a = 1; a < 7; ++a) others += beta[a];
  EXPECT_NEAR(Apply(NaiveDifference(kSets, 0), scores), beta[0] - .1175166297 * others, 1e-10);
  EXPECT_NEAR(Apply(MatchedDifference(kSets, 0).form, scores), beta[0], 1e-14);
  EXPECT_NEAR(Apply(AdditiveModel(kSets, 7)->losses[0], scores), beta[0], 1e-13);
}

// Answers of 63 fusions on 40 images.
std::vector<SeedsByImages> Answers() {
  std::vector<SeedsByImages> answers;
  for (int j = 0; j < 63; ++j) {
    SeedsByImages row(1);
    for (int i = 0; i < 40; ++i) {
      const bool fails = (7 * j + 3 * i + (j * i % 11)) % 9 == 0;
      const bool saved = In(kSets[j], 0) && i % 4 == 0;
      row[0].push_back(fails && !saved ? 0 : 1);
    }
    answers.push_back(row);
  }
  return answers;
}

TEST(Effects, HaveIntervalsOverImages) {
  const auto model = AdditiveModel(kSets, 7);
  const SeedsByImages z = Apply(model->losses[0], Answers());
  CrossedOptions options;
  options.images = {42, 8};
  const BootstrapInterval got = CrossedBootstrap(z, options);
  EXPECT_NEAR(got.difference, .02371945489, 1e-11);
  EXPECT_NEAR(std::sqrt(PigeonholeVariance(z)), .01720305932, 1e-11);
  EXPECT_NEAR(got.low, -.01033952068, 1e-11);
  EXPECT_NEAR(got.high, .05726210056, 1e-11);
  const SeedsByImages matched = Apply(MatchedDifference(kSets, 0).form, Answers());
  EXPECT_NEAR(CrossedAnova(matched).mean, .02976190476, 1e-11);
}

TEST(Effects, AbsentCells) {
  const LossSets sets = {{0}, {1}, {0, 1}, {2}, {1, 2}};
  const MatchedEffect effect = MatchedDifference(sets, 1);  // {0} and {2} have their partners
  EXPECT_EQ(effect.pairs, 2);
  EXPECT_EQ(effect.form, (LinearForm{-.5, 0, .5, -.5, .5}));
  EXPECT_EQ(MatchedDifference(sets, 5).pairs, 0);
  EXPECT_EQ(MatchedDifference({{}, {0}}, 0).pairs, 0);  // no loss at all is no partner
  EXPECT_EQ(Apply(NaiveDifference(sets, 5), {1, 2, 3, 4, 5}), 0);
  EXPECT_TRUE(AdditiveModel(sets, 3).has_value());
  EXPECT_FALSE(AdditiveModel(sets, 4).has_value());  // the fourth loss is never there
  EXPECT_FALSE(PairwiseModel(sets, 3).has_value());  // 7 coefficients of 5 recipes
  // Enough recipes, but 1 and 2 never come together.
  EXPECT_FALSE(
      PairwiseModel(
          {{0}, {1}, {2}, {3}, {0, 1}, {0, 2}, {0, 3}, {1, 3}, {2, 3}, {0, 1, 3}, {0, 2, 3}}, 4)
          .has_value());
  EXPECT_DEATH(AdditiveModel({{1, 0}}, 2), "");
  EXPECT_DEATH(MatchedDifference({{0}, {0}}, 1), "");
}

TEST(Pseudoinverse, OfASmallMatrix) {
  // A line through (0, 1), (1, 3), (2, 5), (3, 8).
  const auto inverse = Pseudoinverse({{1, 0}, {1, 1}, {1, 2}, {1, 3}});
  ASSERT_TRUE(inverse.has_value());
  EXPECT_NEAR(Apply((*inverse)[0], {1, 3, 5, 8}), 0.8, 1e-14);
  EXPECT_NEAR(Apply((*inverse)[1], {1, 3, 5, 8}), 2.3, 1e-14);
  EXPECT_FALSE(Pseudoinverse({{1, 2}, {2, 4}, {3, 6}}).has_value());
  EXPECT_FALSE(Pseudoinverse({{1, 2}}).has_value());
}

}  // namespace
}  // namespace pipeline
