// Sets of classes that hold the true one as often as promised: split-conformal prediction.
#ifndef PIPELINE_STATISTICS_CONFORMAL_H_
#define PIPELINE_STATISTICS_CONFORMAL_H_

#include <vector>

#include "pipeline/statistics/probabilities.h"

namespace pipeline {

// The least threshold t on 1 - p such that the sets {classes with 1 - p <= t} hold the true class
// with chance >= level (in (0, 1)), on average over samples like these, which the classifier was
// not trained on (LAC: Sadinle, Lei and Wasserman 2019): of n samples the ceil((n + 1) level)-th
// smallest 1 - p of the true class. 1, which is every class, where there are too few samples for a
// promise (9 are enough for 90 %). No NaN, else abort.
double ConformalThreshold(const Probabilities& probabilities, const std::vector<int>& labels,
                          double level);

// The classes with 1 - p <= threshold, in their order: none where the sample resembles nothing.
std::vector<int> PredictionSet(const std::vector<double>& row, double threshold);

// How the sets do on samples; NaN of none.
struct SetScores {
  double coverage = 0;   // share that holds the true class
  double mean_size = 0;  // classes in a set
  double empty = 0;      // share of sets without a class
};
SetScores SetScoresOf(const Probabilities& probabilities, const std::vector<int>& labels,
                      double threshold);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_CONFORMAL_H_
