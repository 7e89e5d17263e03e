// Receiver operating characteristic and precision-recall.
#include "pipeline/statistics/ranking.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>

namespace pipeline {
namespace {

// Positives and negatives among the samples of a score >= the threshold.
struct Counts {
  double threshold;
  int64_t positives, negatives;
};

// From the highest score to the lowest, after a first one of nobody; empty where there is no curve.
std::vector<Counts> CountsOf(const std::vector<double>& scores, const std::vector<bool>& positive) {
  if (scores.size() != positive.size()) std::abort();
  for (const double score : scores) {
    if (std::isnan(score)) return {};
  }
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  std::vector<Counts> counts = {{INFINITY, 0, 0}};
  for (size_t i = 0; i < order.size(); ++i) {
    const double score = scores[order[i]];
    if (i == 0 || score != counts.back().threshold) {
      counts.push_back({score, counts.back().positives, counts.back().negatives});
    }
    ++(positive[order[i]] ? counts.back().positives : counts.back().negatives);
  }
  if (counts.back().positives == 0 || counts.back().negatives == 0) return {};
  return counts;
}

void Add(double x, double y, double threshold, RankingCurve* curve) {
  curve->x.push_back(x);
  curve->y.push_back(y);
  curve->threshold.push_back(threshold);
}

// Of the areas that are not NaN.
double MeanArea(const std::vector<RankingCurve>& curves) {
  std::vector<double> areas;
  for (const RankingCurve& curve : curves) {
    if (!std::isnan(curve.area)) areas.push_back(curve.area);
  }
  return Mean(areas);
}

}  // namespace

RankingCurve RocCurve(const std::vector<double>& scores, const std::vector<bool>& positive) {
  const std::vector<Counts> counts = CountsOf(scores, positive);
  RankingCurve curve;
  if (counts.empty()) {
    curve.area = NAN;
    return curve;
  }
  const double positives = static_cast<double>(counts.back().positives);
  const double negatives = static_cast<double>(counts.back().negatives);
  double twice = 0;  // the area, in pairs
  for (size_t i = 0; i < counts.size(); ++i) {
    const Counts& at = counts[i];
    if (i > 0) {
      twice += static_cast<double>(at.negatives - counts[i - 1].negatives) *
               static_cast<double>(at.positives + counts[i - 1].positives);
    }
    if (i > 0 && i + 1 < counts.size()) {
      const Counts &before = counts[i - 1], &after = counts[i + 1];
      const bool straight = (at.positives - before.positives) * (after.negatives - at.negatives) ==
                            (at.negatives - before.negatives) * (after.positives - at.positives);
      if (straight) continue;
    }
    Add(static_cast<double>(at.negatives) / negatives,
        static_cast<double>(at.positives) / positives, at.threshold, &curve);
  }
  curve.area = twice / (2 * positives * negatives);
  return curve;
}

RankingCurve PrecisionRecallCurve(const std::vector<double>& scores,
                                  const std::vector<bool>& positive) {
  const std::vector<Counts> counts = CountsOf(scores, positive);
  RankingCurve curve;
  if (counts.empty()) {
    curve.area = NAN;
    return curve;
  }
  const double positives = static_cast<double>(counts.back().positives);
  Add(0, 1, INFINITY, &curve);
  for (size_t i = 1; i < counts.size() && curve.x.back() < 1; ++i) {
    const double found = static_cast<double>(counts[i].positives);
    const double recall = found / positives;
    const double precision = found / (found + static_cast<double>(counts[i].negatives));
    curve.area += (recall - curve.x.back()) * precision;
    Add(recall, precision, counts[i].threshold, &curve);
  }
  return curve;
}

OneVsRest OneVsRestOf(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireShapes(probabilities, labels);
  const size_t classes = probabilities.empty() ? 0 : probabilities[0].size();
  OneVsRest result;
  for (size_t c = 0; c < classes; ++c) {
    std::vector<double> scores;
    std::vector<bool> positive;
    for (size_t i = 0; i < labels.size(); ++i) {
      scores.push_back(probabilities[i][c]);
      positive.push_back(labels[i] == static_cast<int>(c));
    }
    result.roc.push_back(RocCurve(scores, positive));
    result.precision_recall.push_back(PrecisionRecallCurve(scores, positive));
  }
  result.macro_auc = MeanArea(result.roc);
  result.macro_average_precision = MeanArea(result.precision_recall);
  return result;
}

}  // namespace pipeline
