// Probabilities put right after training: temperature and vector scaling (Guo et al., ICML 2017).
#ifndef PIPELINE_STATISTICS_SCALING_H_
#define PIPELINE_STATISTICS_SCALING_H_

#include <vector>

#include "pipeline/statistics/probabilities.h"

namespace pipeline {

// p becomes softmax(weight log p + bias), class by class.
struct Scaling {
  std::vector<double> weight, bias;  // of each class

  // A row that sums to 1, as long as `weight`, else abort. A probability below 1e-38 counts as
  // that: it was rounded away. With equal weights and no bias the order of the classes stays as it
  // was.
  std::vector<double> Apply(const std::vector<double>& row) const;
  Probabilities Apply(const Probabilities& probabilities) const;
};

// log p, a probability below 1e-38 counting as that.
Probabilities LogProbabilities(const Probabilities& probabilities);

constexpr double kLeastTemperature = 0.01, kMostTemperature = 100;

// Weights of 1 / temperature that make the negative log likelihood least. The temperature is above
// 1 where the classifier was too sure, below where it was not sure enough; it is kept in [0.01,
// 100], whose ends are reached where all samples are right or the scores say nothing. It changes no
// answer. Wants a sample at least, and no NaN, else abort.
Scaling FitTemperature(const Probabilities& probabilities, const std::vector<int>& labels);
double TemperatureOf(const Scaling& scaling);

// A weight and a bias for each class that make least the mean negative log likelihood plus
// |(weight - 1, bias)|^2 / (2 n), n being the samples: a normal prior of width 1 around no change,
// which few samples hardly move and many forget. May change answers. Wants the same.
Scaling FitVector(const Probabilities& probabilities, const std::vector<int>& labels);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_SCALING_H_
