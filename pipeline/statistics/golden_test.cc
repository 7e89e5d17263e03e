// Statistics of random cases against torchmetrics, scikit-learn, statsmodels, scipy and MAPIE.
#include <gtest/gtest.h>

#include <numeric>

#include "pipeline/statistics/calibration.h"
#include "pipeline/statistics/conformal.h"
#include "pipeline/statistics/golden_cases.h"
#include "pipeline/statistics/paired.h"
#include "pipeline/statistics/ranking.h"
#include "pipeline/statistics/scaling.h"

namespace pipeline {
namespace {

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

TEST(Golden, CalibrationScoresOfAThousandClassifiers) {
  const auto cases = GoldenTable("calibration.json");
  ASSERT_EQ(cases.size(), 1000);
  for (const auto& golden : cases) {
    SCOPED_TRACE(golden["case"].dump());
    const GoldenClassifier given(1, golden["case"]);
    const CalibrationScores scores = CalibrationScoresOf(given.probabilities, given.labels);
    ExpectGolden(scores.accuracy, golden["accuracy"]);
    ExpectGolden(scores.ece, golden["ece"]);
    ExpectGolden(scores.mce, golden["mce"]);
    ExpectGolden(scores.ece_equal_mass, golden["ece_equal_mass"]);
    ExpectGolden(scores.brier, golden["brier"]);
    ExpectGolden(scores.nll, golden["nll"]);
    const OneVsRest ranks = OneVsRestOf(given.probabilities, given.labels);
    ExpectGolden(ranks.macro_auc, golden["macro_auc"]);
    ExpectGolden(ranks.macro_average_precision, golden["macro_ap"]);
  }
}

TEST(Golden, RankingCurvesOfAThousandScores) {
  const auto cases = GoldenTable("ranking.json");
  ASSERT_EQ(cases.size(), 1000);
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream({kGoldenSeed, 2}, i);
    const int64_t top = std::vector<int64_t>{3, 20, 1000000}[stream.Below(3)];
    const int64_t n = 2 + stream.Below(100);
    std::vector<double> scores;
    std::vector<bool> positive;
    for (int64_t k = 0; k < n; ++k) {
      scores.push_back(static_cast<double>(stream.Below(top)));
      positive.push_back(stream.Below(3) == 0);
    }
    const RankingCurve roc = RocCurve(scores, positive);
    const RankingCurve precision_recall = PrecisionRecallCurve(scores, positive);
    if (cases[i].is_null()) {
      EXPECT_TRUE(std::isnan(roc.area));
      EXPECT_TRUE(std::isnan(precision_recall.area));
      continue;
    }
    ExpectGolden(roc.area, cases[i]["auc"]);
    EXPECT_EQ(roc.x.size(), cases[i]["roc_points"]);
    ExpectGolden(Sum(roc.x), cases[i]["roc_x"]);
    ExpectGolden(Sum(roc.y), cases[i]["roc_y"]);
    ExpectGolden(precision_recall.area, cases[i]["average_precision"]);
    EXPECT_EQ(precision_recall.x.size(), cases[i]["pr_points"]);
    ExpectGolden(Sum(precision_recall.x), cases[i]["pr_x"]);
    ExpectGolden(Sum(precision_recall.y), cases[i]["pr_y"]);
  }
}

TEST(Golden, McNemarUpToTenThousandMistakes) {
  const auto cases = GoldenTable("paired.json")["mcnemar"];
  for (size_t i = 0; i < cases.size(); ++i) {
    PhiloxStream stream({kGoldenSeed, 3}, i);
    int64_t counts[2];
    for (int64_t& count : counts) {
      int64_t top = 10;
      for (int64_t k = stream.Below(4); k > 0; --k) top *= 10;
      count = stream.Below(top);
    }
    const McNemar test = McNemarTest(counts[0], counts[1]);
    const double exact = cases[i]["exact"], mid_p = cases[i]["mid_p"];
    EXPECT_NEAR(test.exact, exact, 1e-9 * exact + 1e-300) << counts[0] << " " << counts[1];
    EXPECT_NEAR(test.mid_p, mid_p, 1e-9 * mid_p + 1e-300) << counts[0] << " " << counts[1];
  }
}

TEST(Golden, BootstrapIntervals) {
  const auto cases = GoldenTable("paired.json")["bootstrap"];
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    PhiloxStream stream({kGoldenSeed, 4}, i);
    const int64_t n = 5 + stream.Below(40);
    std::vector<double> x;
    for (int64_t k = 0; k < n; ++k) {
      const double a = static_cast<double>(stream.Below(2000001) - 500000) / 1000000;
      x.push_back(a * std::abs(a));
    }
    BootstrapOptions options;
    options.key = {kGoldenSeed, 100 + i};
    options.resamples = 999;
    const std::vector<double> zeros(x.size(), 0);
    const BootstrapInterval percentile = PairedBootstrap(zeros, x, options);
    ExpectGolden(percentile.difference, cases[i]["difference"]);
    ExpectGolden(percentile.standard_error, cases[i]["error"]);
    ExpectGolden(percentile.low, cases[i]["percentile"][0]);
    ExpectGolden(percentile.high, cases[i]["percentile"][1]);
    options.kind = IntervalKind::kBca;
    const BootstrapInterval corrected = PairedBootstrap(zeros, x, options);
    ExpectGolden(corrected.low, cases[i]["bca"][0]);
    ExpectGolden(corrected.high, cases[i]["bca"][1]);
  }
}

TEST(Golden, TemperatureAndVectorScaling) {
  const auto cases = GoldenTable("scaling.json");
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const GoldenClassifier given(5, i, 20);
    const double temperature = cases[i]["temperature"];
    const Scaling tempered = FitTemperature(given.probabilities, given.labels);
    EXPECT_NEAR(TemperatureOf(tempered) / temperature, 1, 1e-9);
    ExpectGolden(NegativeLogLikelihood(tempered.Apply(given.probabilities), given.labels),
                 cases[i]["nll"]);
    const Scaling vector = FitVector(given.probabilities, given.labels);
    std::vector<double> found = vector.weight;
    found.insert(found.end(), vector.bias.begin(), vector.bias.end());
    ASSERT_EQ(found.size(), cases[i]["vector"].size());
    for (size_t k = 0; k < found.size(); ++k) ExpectGolden(found[k], cases[i]["vector"][k], 1e-8);
  }
}

TEST(Golden, ConformalSets) {
  const auto cases = GoldenTable("conformal.json");
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const GoldenClassifier given(6, i, 40);
    const auto half = [](const auto& all, bool first) {
      auto middle = static_cast<std::ptrdiff_t>(all.size() / 2);
      if ((middle + 1) % 10 == 0) --middle;
      const auto cut = all.begin() + middle;
      using All = std::decay_t<decltype(all)>;
      return first ? All(all.begin(), cut) : All(cut, all.end());
    };
    const double threshold =
        ConformalThreshold(half(given.probabilities, true), half(given.labels, true), 0.9);
    const SetScores scores =
        SetScoresOf(half(given.probabilities, false), half(given.labels, false), threshold);
    ExpectGolden(scores.coverage, cases[i]["coverage"]);
    ExpectGolden(scores.mean_size, cases[i]["size"]);
  }
}

}  // namespace
}  // namespace pipeline
