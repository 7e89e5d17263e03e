// Receiver operating characteristic and precision-recall curves.
#include "pipeline/statistics/ranking.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

using Values = std::vector<double>;

TEST(RocCurve, EqualScoresShareAPoint) {
  const RankingCurve curve =
      RocCurve({0.9, 0.8, 0.8, 0.8, 0.3, 0.1}, {true, false, true, true, false, false});
  EXPECT_EQ(curve.x, (Values{0, 0, 1 / 3., 1}));
  EXPECT_EQ(curve.y, (Values{0, 1 / 3., 1, 1}));
  EXPECT_EQ(curve.threshold, (Values{INFINITY, 0.9, 0.8, 0.1}));
  EXPECT_NEAR(curve.area, (9 - 1) / 9., 1e-15);  // 7 pairs in order, 2 equal
}

TEST(PrecisionRecallCurve, AreaIsTheAveragePrecision) {
  // scikit-learn's own example.
  const RankingCurve curve =
      PrecisionRecallCurve({0.1, 0.4, 0.35, 0.8}, {false, false, true, true});
  EXPECT_EQ(curve.x, (Values{0, 0.5, 0.5, 1}));
  EXPECT_EQ(curve.y, (Values{1, 1, 0.5, 2 / 3.}));
  EXPECT_NEAR(curve.area, 0.8333333333333333, 1e-15);
}

TEST(RankingCurves, NothingToSay) {
  for (const RankingCurve& curve :
       {RocCurve({}, {}), RocCurve({1, 2}, {true, true}), RocCurve({1, 2}, {false, false}),
        RocCurve({NAN, 2}, {true, false}), PrecisionRecallCurve({1, 2}, {false, false})}) {
    EXPECT_TRUE(curve.x.empty());
    EXPECT_TRUE(std::isnan(curve.area));
  }
}

TEST(OneVsRest, ClassesThatAreAbsentDoNotCount) {
  const OneVsRest result =
      OneVsRestOf({{0.6, 0.3, 0.1}, {0.5, 0.2, 0.3}, {0.2, 0.6, 0.2}, {0.7, 0.3, 0}}, {0, 0, 1, 1});
  EXPECT_NEAR(result.roc[0].area, 0.5, 1e-15);
  EXPECT_NEAR(result.roc[1].area, 0.875, 1e-15);
  EXPECT_TRUE(std::isnan(result.roc[2].area));
  EXPECT_NEAR(result.macro_auc, 0.6875, 1e-15);
  EXPECT_TRUE(std::isnan(OneVsRestOf({}, {}).macro_auc));
}

}  // namespace
}  // namespace pipeline
