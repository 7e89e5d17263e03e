// One class for all images.
#include "pipeline/statistics/collapse.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace pipeline {
namespace {

double HalfUnit(int decimals) { return 0.5 * std::pow(10.0, -decimals); }

}  // namespace

ConstantScores ScoresOfConstant(double share, int classes) {
  if (!(share >= 0 && share <= 1) || classes < 1) std::abort();
  ConstantScores scores;
  scores.accuracy = scores.weighted_recall = share;
  scores.weighted_precision = share * share;
  scores.weighted_f1 = 2 * share * share / (1 + share);
  scores.macro_f1 = 2 * share / ((1 + share) * classes);
  return scores;
}

double OneClassTolerance(double accuracy, int accuracy_decimals, int precision_decimals) {
  const double h = HalfUnit(accuracy_decimals);
  return HalfUnit(precision_decimals) + 2 * accuracy * h + h * h;
}

OneClass OneClassOf(double accuracy, double precision, int accuracy_decimals,
                    int precision_decimals) {
  const double tolerance = OneClassTolerance(accuracy, accuracy_decimals, precision_decimals);
  // A gap of just the tolerance is within it, whatever the last bits say.
  if (!(std::abs(precision - accuracy * accuracy) <= tolerance + 1e-12)) return OneClass::kNo;
  const bool undecidable = accuracy * (1 - accuracy) <= 2 * tolerance + 1e-12;
  return undecidable ? OneClass::kUndecidable : OneClass::kConsistent;
}

bool HasCollapsed(const std::vector<int64_t>& answered, double balanced_accuracy) {
  if (answered.size() < 2) std::abort();
  const auto classes =
      std::count_if(answered.begin(), answered.end(), [](int64_t count) { return count > 0; });
  const double chance = 1 / static_cast<double>(answered.size());
  return classes < 2 || balanced_accuracy <= chance + 0.02 + 1e-12;
}

}  // namespace pipeline
