// What a classifier said of samples.
#include "pipeline/statistics/probabilities.h"

#include <cmath>
#include <cstdlib>

namespace pipeline {

int MostLikely(const std::vector<double>& row) {
  int best = 0;
  for (size_t c = 1; c < row.size(); ++c) {
    if (row[c] > row[best] || std::isnan(row[best])) best = static_cast<int>(c);
  }
  return best;
}

Answers AnswersOf(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireShapes(probabilities, labels);
  Answers answers;
  for (size_t i = 0; i < labels.size(); ++i) {
    const int best = MostLikely(probabilities[i]);
    double confidence = probabilities[i][best];
    for (const double p : probabilities[i]) {
      if (std::isnan(p)) confidence = p;
    }
    answers.confidence.push_back(confidence);
    answers.right.push_back(best == labels[i]);
  }
  return answers;
}

void RequireShapes(const Probabilities& probabilities, const std::vector<int>& labels) {
  if (probabilities.size() != labels.size()) std::abort();
  for (size_t i = 0; i < labels.size(); ++i) {
    const size_t classes = probabilities[i].size();
    if (classes == 0 || classes != probabilities[0].size()) std::abort();
    if (labels[i] < 0 || labels[i] >= static_cast<int>(classes)) std::abort();
  }
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double Quantile(const std::vector<double>& ascending, int64_t numerator, int64_t denominator) {
  if (ascending.empty()) return NAN;
  const int64_t scaled = numerator * static_cast<int64_t>(ascending.size() - 1);
  const int64_t rank = scaled / denominator, rest = scaled % denominator;
  if (rest == 0) return ascending[rank];
  const double share = static_cast<double>(rest) / static_cast<double>(denominator);
  return ascending[rank] + share * (ascending[rank + 1] - ascending[rank]);
}

}  // namespace pipeline
