// How well scores rank the positives above the negatives, whatever the threshold.
#ifndef PIPELINE_STATISTICS_RANKING_H_
#define PIPELINE_STATISTICS_RANKING_H_

#include <vector>

#include "pipeline/statistics/probabilities.h"

namespace pipeline {

// A curve over thresholds, from the highest to the lowest: x and y in [0, 1], x never falls.
struct RankingCurve {
  std::vector<double> x, y;
  std::vector<double> threshold;  // a sample is called positive where its score is >= it
  double area = 0;
};

// `scores` and `positive` are of one length, else abort. Samples of equal score share a point.
// Where there is no positive or no negative (so also of nothing), or a score is NaN, the curve has
// no point and its area is NaN.

// The true positive rate (y) against the false positive rate (x), from (0, 0) at the threshold
// infinity to (1, 1), without the points inside a straight line; the area is the AUC: the chance
// that a positive has a higher score than a negative, ties counting half.
RankingCurve RocCurve(const std::vector<double>& scores, const std::vector<bool>& positive);

// Precision (y) against recall (x), from (0, 1) at the threshold infinity, ending where recall is
// first 1; the area is the average precision: the sum of recall's steps times the precision there,
// not the trapezoids, which promise too much.
RankingCurve PrecisionRecallCurve(const std::vector<double>& scores,
                                  const std::vector<bool>& positive);

// Each class against all others by its own column.
struct OneVsRest {
  std::vector<RankingCurve> roc, precision_recall;  // by class
  // Means of the areas over the classes that have one; NaN where none has.
  double macro_auc = 0, macro_average_precision = 0;
};
OneVsRest OneVsRestOf(const Probabilities& probabilities, const std::vector<int>& labels);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_RANKING_H_
