// Split-conformal prediction.
#include "pipeline/statistics/conformal.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace pipeline {

double ConformalThreshold(const Probabilities& probabilities, const std::vector<int>& labels,
                          double level) {
  RequireShapes(probabilities, labels);
  if (!(level > 0 && level < 1)) std::abort();
  std::vector<double> scores;
  for (size_t i = 0; i < labels.size(); ++i) {
    scores.push_back(1 - probabilities[i][labels[i]]);
    if (std::isnan(scores.back())) std::abort();
  }
  std::sort(scores.begin(), scores.end());
  // 0.9 is no binary fraction: a product that is whole on paper is not to be rounded up.
  const double rank = std::ceil(static_cast<double>(scores.size() + 1) * level - 1e-9);
  if (rank > static_cast<double>(scores.size())) return 1;
  return scores[static_cast<size_t>(rank) - 1];
}

std::vector<int> PredictionSet(const std::vector<double>& row, double threshold) {
  std::vector<int> classes;
  for (size_t c = 0; c < row.size(); ++c) {
    if (1 - row[c] <= threshold) classes.push_back(static_cast<int>(c));
  }
  return classes;
}

SetScores SetScoresOf(const Probabilities& probabilities, const std::vector<int>& labels,
                      double threshold) {
  RequireShapes(probabilities, labels);
  SetScores scores;
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::vector<int> set = PredictionSet(probabilities[i], threshold);
    scores.coverage += std::count(set.begin(), set.end(), labels[i]);
    scores.mean_size += static_cast<double>(set.size());
    scores.empty += set.empty();
  }
  const double samples = static_cast<double>(labels.size());
  for (double* score : {&scores.coverage, &scores.mean_size, &scores.empty}) *score /= samples;
  return scores;
}

}  // namespace pipeline
