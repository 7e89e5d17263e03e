// Statistics of random studies against scipy, statsmodels, scikit-posthocs, scikit-learn and
// cleanlab; the inputs are drawn as in tests/oracles/study_statistics.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "pipeline/statistics/class_scores.h"
#include "pipeline/statistics/crossed.h"
#include "pipeline/statistics/distributions.h"
#include "pipeline/statistics/effects.h"
#include "pipeline/statistics/golden_cases.h"
#include "pipeline/statistics/halving.h"
#include "pipeline/statistics/label_issues.h"
#include "pipeline/statistics/multiple.h"
#include "pipeline/statistics/ranks.h"
#include "pipeline/statistics/selection.h"
#include "pipeline/statistics/t_tests.h"
#include "pipeline/statistics/wilcoxon.h"

namespace pipeline {
namespace {

using Table = std::vector<std::vector<double>>;

PhiloxStream Stream(uint64_t purpose, uint64_t number) { return {{kGoldenSeed, purpose}, number}; }

double Draw(PhiloxStream* stream, int64_t n) { return static_cast<double>(stream->Below(n)); }
double Sign(PhiloxStream* stream) { return Draw(stream, 3) - 1; }
double Millionths(PhiloxStream* stream) { return (Draw(stream, 2000001) - 1000000) / 1000000; }

template <typename OneOf>
Table DrawTable(PhiloxStream* stream, int64_t rows, int64_t columns, OneOf one) {
  Table drawn(rows, std::vector<double>(columns));
  for (auto& row : drawn) {
    for (double& value : row) value = one(stream);
  }
  return drawn;
}

CrossedOptions Resamples(uint64_t number) {
  CrossedOptions options;
  options.seeds = {kGoldenSeed, 200 + number};
  options.images = {kGoldenSeed, 300 + number};
  options.resamples = 199;
  return options;
}

void ExpectInterval(const MeanInterval& got, const nlohmann::json& golden) {
  // Where the variance is 0 our interval is the point.
  if (golden[0].is_null()) {
    EXPECT_FALSE(got.variance > 1e-15);
    return;
  }
  ExpectGolden(got.low, golden[0]);
  ExpectGolden(got.high, golden[1]);
}

void ExpectGoldens(const std::vector<double>& got, const nlohmann::json& golden) {
  ASSERT_EQ(got.size(), golden.size());
  for (size_t i = 0; i < got.size(); ++i) ExpectGolden(got[i], golden[i]);
}

TEST(StudyGolden, CrossedSeedsAndImages) {
  const auto cases = GoldenTable("study_crossed.json");
  ASSERT_EQ(cases.size(), 60);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(20, i);
    const int64_t seeds = 2 + stream.Below(4), images = 3 + stream.Below(30);
    const Table d = DrawTable(&stream, seeds, images, stream.Below(2) == 0 ? Sign : Millionths);
    const CrossedInterval got = CrossedAnova(d);
    ExpectGoldens({got.seed_squares, got.image_squares, got.error_squares}, cases[i]["squares"]);
    ExpectInterval(got.both, cases[i]["both"]);
    ExpectInterval(got.images, cases[i]["images"]);
    ExpectInterval(got.seeds, cases[i]["seeds"]);
    const BootstrapInterval resampled = CrossedBootstrap(d, Resamples(i));
    ExpectGoldens({resampled.low, resampled.high}, cases[i]["bootstrap"]);
    ExpectGolden(resampled.standard_error, cases[i]["error"]);
    ExpectGolden(PigeonholeVariance(d), cases[i]["pigeonhole"]);
  }
}

TEST(StudyGolden, SignedRanks) {
  const auto cases = GoldenTable("study_tests.json")["wilcoxon"];
  ASSERT_EQ(cases.size(), 200);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(21, i);
    const int64_t n = 2 + stream.Below(13);
    const bool ties = stream.Below(2) == 1;
    std::vector<double> d;
    for (int64_t k = 0; k < n; ++k) {
      d.push_back(ties ? (Draw(&stream, 11) - 5) / 100 : Millionths(&stream));
    }
    const Wilcoxon test = WilcoxonSignedRank(d);
    ExpectGolden(test.p, cases[i]["p"]);
    ExpectGolden(std::min(test.positive, test.negative), cases[i]["statistic"]);
  }
}

TEST(StudyGolden, StudentsT) {
  const auto cases = GoldenTable("study_tests.json")["t"];
  ASSERT_EQ(cases.size(), 100);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(22, i);
    const int64_t n = 2 + stream.Below(9);
    const int folds = static_cast<int>(2 + stream.Below(9));
    const double rope = Draw(&stream, 10000) / 1000000;
    std::vector<double> d;
    for (int64_t k = 0; k < n; ++k) d.push_back((Draw(&stream, 200001) - 80000) / 1000000);
    const TTest seeds = SeedsTTest(d), of_folds = FoldsTTest(d, folds);
    ExpectGolden(seeds.p, cases[i]["p"]);
    ExpectGoldens({seeds.low, seeds.high}, cases[i]["interval"]);
    ExpectGolden(of_folds.p, cases[i]["folds_p"]);
    ExpectGoldens({of_folds.low, of_folds.high}, cases[i]["folds"]);
    const FoldsPosterior posterior = FoldsPosteriorOf(d, folds, rope);
    ExpectGolden(posterior.left, cases[i]["left"]);
    ExpectGolden(posterior.right, cases[i]["right"]);
  }
}

TEST(StudyGolden, ManyComparisons) {
  const auto adjusted = GoldenTable("study_multiple.json")["adjusted"];
  ASSERT_EQ(adjusted.size(), 30);
  for (size_t i = 0; i < adjusted.size(); ++i) {
    PhiloxStream stream = Stream(23, i);
    std::vector<double> p(1 + stream.Below(70));
    for (double& value : p) {
      value = Draw(&stream, 1001) / 1000;
      value *= value;
    }
    ExpectGoldens(HolmAdjusted(p), adjusted[i]["holm"]);
    ExpectGoldens(BenjaminiHochbergAdjusted(p), adjusted[i]["bh"]);
  }
  const auto families = GoldenTable("study_multiple.json")["max_t"];
  ASSERT_EQ(families.size(), 20);
  for (size_t i = 0; i < families.size(); ++i) {
    PhiloxStream stream = Stream(24, i);
    const int64_t recipes = 2 + stream.Below(5), seeds = 1 + stream.Below(3);
    const int64_t images = 5 + stream.Below(20);
    std::vector<SeedsByImages> d;
    for (int64_t j = 0; j < recipes; ++j) d.push_back(DrawTable(&stream, seeds, images, Sign));
    const MaxT got = MaxTIntervals(d, Resamples(i));
    ExpectGolden(got.critical, families[i]["critical"]);
    std::vector<double> errors;
    for (const auto& interval : got.intervals) errors.push_back(interval.standard_error);
    ExpectGoldens(errors, families[i]["errors"]);
  }
}

TEST(StudyGolden, Selection) {
  const auto golden = GoldenTable("study_selection.json");
  ASSERT_EQ(golden["nested"].size(), 40);
  for (size_t i = 0; i < 40; ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(25, i);
    const int64_t k = 2 + stream.Below(6), s = 2 + stream.Below(4), n = 5 + stream.Below(30);
    const auto twentieth = [](PhiloxStream* from) { return Draw(from, 21) / 20; };
    const Table validation = DrawTable(&stream, k, s, twentieth);
    const NestedSelection nested = SelectNested(validation, DrawTable(&stream, k, s, twentieth));
    EXPECT_EQ(nlohmann::json(nested.picks), golden["nested"][i]["picks"]);
    EXPECT_EQ(nested.chosen, golden["nested"][i]["chosen"]);
    ExpectGolden(nested.honest, golden["nested"][i]["honest"]);
    ExpectGolden(nested.optimism, golden["nested"][i]["optimism"]);
    const SelectionBias bias = BootstrapSelection(
        DrawTable(&stream, k, n, [](PhiloxStream* from) { return Draw(from, 2); }),
        {kGoldenSeed, 500 + i}, 199);
    ExpectGolden(bias.optimism, golden["bias"][i]["optimism"]);
    ExpectGolden(bias.corrected, golden["bias"][i]["corrected"]);
  }
  for (size_t k = 1; k < 200; ++k) ExpectGolden(ExpectedMaximum(k), golden["maximum"][k - 1]);
}

TEST(StudyGolden, RanksOverDatasets) {
  const auto golden = GoldenTable("study_ranks.json");
  ASSERT_EQ(golden["friedman"].size(), 60);
  for (size_t i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    const auto& expected = golden["friedman"][i];
    PhiloxStream stream = Stream(26, i);
    const bool small = stream.Below(2) == 1;
    const int64_t n = 2 + stream.Below(small ? 3 : 20), k = 3 + stream.Below(small ? 2 : 18);
    const Table x =
        DrawTable(&stream, n, k, [](PhiloxStream* from) { return Draw(from, 12) / 12; });
    const Friedman test = FriedmanTest(x);
    ExpectGoldens(test.ranks, expected["ranks"]);
    ExpectGolden(test.chi_squared, expected["chi"]);
    ExpectGolden(test.chi_squared_p, expected["p"]);
    if (expected["f"].is_string()) {
      EXPECT_EQ(test.f, INFINITY);
    } else {
      ExpectGolden(test.f, expected["f"]);
    }
    ExpectGolden(test.f_p, expected["f_p"]);
    if (small) {
      EXPECT_TRUE(test.exact);
      ExpectGolden(test.permutation_p, expected["permutation"]);
    }
    ExpectGolden(NemenyiP(test.ranks[0] - test.ranks[1], k, n), expected["nemenyi"][0]);
    ExpectGolden(NemenyiP(test.ranks[0] - test.ranks[k - 1], k, n), expected["nemenyi"][1]);
  }
  for (const auto& [k, q] : golden["range"].items()) {
    ExpectGolden(StudentizedRangeQuantile(0.95, std::stoi(k)), q);
  }
}

LossSets Fusions(int losses) {
  LossSets by_size[3];
  for (int a = 0; a < losses; ++a) {
    by_size[0].push_back({a});
    for (int b = a + 1; b < losses; ++b) {
      by_size[1].push_back({a, b});
      for (int c = b + 1; c < losses; ++c) by_size[2].push_back({a, b, c});
    }
  }
  LossSets sets = by_size[0];
  for (int size : {1, 2}) sets.insert(sets.end(), by_size[size].begin(), by_size[size].end());
  return sets;
}

void ExpectModel(const std::optional<EffectsModel>& model, const LossSets& sets,
                 const std::vector<double>& scores, const nlohmann::json& golden) {
  ASSERT_EQ(model.has_value(), !golden.is_null());
  if (!model) return;
  std::vector<double> coefficients = {Apply(model->base, scores)};
  for (const auto& form : model->losses) coefficients.push_back(Apply(form, scores));
  for (const auto& form : model->interactions) coefficients.push_back(Apply(form, scores));
  ExpectGoldens(coefficients, golden["coefficients"]);
  ExpectGolden(ResidualSquares(*model, sets, scores), golden["rss"]);
}

TEST(StudyGolden, EffectsOfLosses) {
  const auto cases = GoldenTable("study_effects.json");
  ASSERT_EQ(cases.size(), 20);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(28, i);
    LossSets sets;
    for (const auto& set : Fusions(7)) {
      if (stream.Below(8) > 0) sets.push_back(set);
    }
    std::vector<double> scores;
    for (size_t j = 0; j < sets.size(); ++j) {
      scores.push_back((700000 + Draw(&stream, 300000)) / 1000000);
    }
    ExpectModel(AdditiveModel(sets, 7), sets, scores, cases[i]["additive"]);
    ExpectModel(PairwiseModel(sets, 7), sets, scores, cases[i]["pairwise"]);
    const MatchedEffect matched = MatchedDifference(sets, 2);
    EXPECT_EQ(matched.pairs, cases[i]["pairs"]);
    ExpectGolden(Apply(matched.form, scores), cases[i]["matched"]);
    ExpectGolden(Apply(NaiveDifference(sets, 2), scores), cases[i]["naive"]);
  }
}

TEST(StudyGolden, HalvingOverAllOrdersOfSeeds) {
  const auto cases = GoldenTable("study_halving.json");
  ASSERT_EQ(cases.size(), 40);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(29, i);
    const int64_t k = 4 + stream.Below(10), s = 1 + stream.Below(4);
    const int64_t rungs = 2 + stream.Below(2), eta = 2 + stream.Below(2);
    std::vector<Table> values;
    for (int64_t j = 0; j < k; ++j) {
      values.push_back(
          DrawTable(&stream, s, rungs, [](PhiloxStream* from) { return Draw(from, 40); }));
    }
    const HalvingReplay got = ReplayHalving(values, RungSizes(k, eta, rungs), static_cast<int>(s));
    EXPECT_EQ(got.best, cases[i]["best"]);
    EXPECT_EQ(got.survived, cases[i]["survived"]);
    ExpectGolden(got.regret, cases[i]["regret"]);
    ExpectGolden(got.most_regret, cases[i]["most"]);
  }
}

TEST(StudyGolden, SharesAndMacroF1) {
  const auto cases = GoldenTable("study_shares.json");
  ASSERT_EQ(cases.size(), 100);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(30, i);
    const int64_t total = 1 + stream.Below(1000), right = stream.Below(total + 1);
    const int64_t classes = 2 + stream.Below(5), n = 1 + stream.Below(40);
    const ShareInterval wilson = WilsonInterval(right, total);
    ExpectGoldens({wilson.low, wilson.high}, cases[i]["wilson"]);
    std::vector<int> given[2];
    for (auto& labels : given) {
      for (int64_t k = 0; k < n; ++k) labels.push_back(static_cast<int>(stream.Below(classes)));
    }
    std::vector<int64_t> all(n);
    std::iota(all.begin(), all.end(), 0);
    ExpectGolden(MacroF1(given[0], given[1], all, static_cast<int>(classes)), cases[i]["f1"]);
  }
}

// To nine digits, however small.
void ExpectDigits(double got, double golden) {
  EXPECT_NEAR(got, golden, 1e-9 * std::abs(golden) + 1e-250);
}

TEST(StudyGolden, TailsOfDistributions) {
  const auto cases = GoldenTable("study_distributions.json");
  ASSERT_EQ(cases.size(), 200);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream = Stream(32, i);
    const double x = Draw(&stream, 10000000) / 1000000;
    double degrees[2];
    for (double& value : degrees) {
      int64_t top = 1000;
      for (int64_t k = stream.Below(5); k > 0; --k) top *= 10;
      value = (1 + Draw(&stream, top)) / 1000;
    }
    ExpectDigits(StudentTwoSided(x, degrees[0]), cases[i]["t"]);
    if (!cases[i]["quantile"].is_null()) {
      ExpectDigits(StudentQuantile(x / 10, degrees[0]), cases[i]["quantile"]);
    }
    ExpectDigits(FTail(x, degrees[0], degrees[1]), cases[i]["f"]);
    ExpectDigits(ChiSquaredTail(x * degrees[0] / 5, degrees[0]), cases[i]["chi"]);
  }
}

TEST(StudyGolden, LabelIssuesOfTwoHundredClassifiers) {
  const auto cases = GoldenTable("study_labels.json");
  ASSERT_EQ(cases.size(), 200);
  for (const auto& golden : cases) {
    SCOPED_TRACE(golden["case"].dump());
    const GoldenClassifier given(31, golden["case"], 10);
    const auto& p = given.probabilities;
    const auto& y = given.labels;
    const auto issues = [&](LabelFilter filter, LabelScore score = LabelScore::kSelfConfidence) {
      return nlohmann::json(LabelIssues(p, y, filter, score));
    };
    const ConfidentJoint joint = ConfidentJointOf(p, y);
    ExpectGolden(std::accumulate(joint.thresholds.begin(), joint.thresholds.end(), 0.0),
                 golden["thresholds"]);
    EXPECT_EQ(nlohmann::json(joint.calibrated), golden["joint"]);
    EXPECT_EQ(issues(LabelFilter::kPruneByNoiseRate), golden["noise_rate"]);
    EXPECT_EQ(issues(LabelFilter::kPruneByNoiseRate, LabelScore::kNormalizedMargin),
              golden["margin"]);
    EXPECT_EQ(issues(LabelFilter::kPruneByClass), golden["class"]);
    EXPECT_EQ(issues(LabelFilter::kBoth), golden["both"]);
    EXPECT_EQ(issues(LabelFilter::kConfidentLearning), golden["learning"]);
    const std::vector<double> adjusted = LabelScores(p, y, LabelScore::kNormalizedMargin, true);
    ExpectGolden(std::accumulate(adjusted.begin(), adjusted.end(), 0.0), golden["adjusted"]);
    EXPECT_EQ(std::min_element(adjusted.begin(), adjusted.end()) - adjusted.begin(),
              golden["lowest"]);
  }
}

}  // namespace
}  // namespace pipeline
