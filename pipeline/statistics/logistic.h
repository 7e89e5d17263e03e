// Logistic regression, and how well it tells classes apart on samples that it did not see: what a
// few properties of images say about their labels.
#ifndef PIPELINE_STATISTICS_LOGISTIC_H_
#define PIPELINE_STATISTICS_LOGISTIC_H_

#include <vector>

#include "pipeline/statistics/philox.h"
#include "pipeline/statistics/probabilities.h"

namespace pipeline {

// A row of numbers for each sample, all of one length >= 1 and none of them NaN.
using Features = std::vector<std::vector<double>>;

struct LogisticRegression {
  // Of each feature over the samples that it was fitted on; a feature that is constant there counts
  // nothing.
  std::vector<double> mean, deviation;
  // By class: a weight for each feature, which is first made (x - mean) / deviation, then a bias.
  std::vector<std::vector<double>> weights;

  std::vector<double> ProbabilitiesOf(const std::vector<double>& features) const;
};

// The softmax regression that makes least the sum of -log p of the true classes plus
// |weights|^2 / (2 strength), the biases being free. `labels` are in [0, classes), one for each
// row, of which there is one at least; else abort.
LogisticRegression FitLogistic(const Features& features, const std::vector<int>& labels,
                               int classes, double strength = 1);

// The probabilities of each sample by a regression fitted on the other folds. The samples of each
// class are dealt to the folds in an order drawn by `key`, so that every fold has its share of
// each. `folds` in [2, samples], else abort.
Probabilities CrossValidated(const Features& features, const std::vector<int>& labels, int classes,
                             int folds = 5, double strength = 1, const PhiloxKey& key = {42, 9});

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_LOGISTIC_H_
