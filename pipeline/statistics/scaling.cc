// Temperature and vector scaling.
#include "pipeline/statistics/scaling.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pipeline/statistics/minimize.h"

namespace pipeline {
namespace {

constexpr double kLeastProbability = 1e-38;

double Log(double p) { return std::log(std::max(p, kLeastProbability)); }

// In place; returns the logarithm of the sum of exponentials.
double Softmax(std::vector<double>* logits) {
  const double most = *std::max_element(logits->begin(), logits->end());
  double sum = 0;
  for (double& value : *logits) sum += value = std::exp(value - most);
  for (double& value : *logits) value /= sum;
  return most + std::log(sum);
}

void RequireSamples(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireShapes(probabilities, labels);
  if (labels.empty()) std::abort();
  for (const auto& row : probabilities) {
    for (const double p : row) {
      if (std::isnan(p)) std::abort();
    }
  }
}

// Derivative of the negative log likelihood of softmax(inverse z) by `inverse`; it never falls.
double Slope(const Probabilities& z, const std::vector<int>& labels, double inverse) {
  double sum = 0;
  std::vector<double> p;
  for (size_t i = 0; i < z.size(); ++i) {
    p = z[i];
    for (double& value : p) value *= inverse;
    Softmax(&p);
    for (size_t c = 0; c < p.size(); ++c) sum += p[c] * z[i][c];
    sum -= z[i][labels[i]];
  }
  return sum;
}

// FitVector's function of (weight, bias).
double VectorLoss(const Probabilities& z, const std::vector<int>& labels,
                  const std::vector<double>& x, std::vector<double>* gradient) {
  const size_t classes = z[0].size();
  const double share = 1 / static_cast<double>(z.size());
  double loss = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    const double away = x[k] - (k < classes ? 1 : 0);
    loss += share * away * away / 2;
    (*gradient)[k] = share * away;
  }
  std::vector<double> p(classes);
  for (size_t i = 0; i < z.size(); ++i) {
    for (size_t c = 0; c < classes; ++c) p[c] = x[c] * z[i][c] + x[classes + c];
    const double own = p[labels[i]];
    loss += share * (Softmax(&p) - own);
    p[labels[i]] -= 1;
    for (size_t c = 0; c < classes; ++c) {
      (*gradient)[c] += share * p[c] * z[i][c];
      (*gradient)[classes + c] += share * p[c];
    }
  }
  return loss;
}

}  // namespace

std::vector<double> Scaling::Apply(const std::vector<double>& row) const {
  if (row.size() != weight.size() || bias.size() != weight.size()) std::abort();
  std::vector<double> scaled;
  for (size_t c = 0; c < row.size(); ++c) scaled.push_back(weight[c] * Log(row[c]) + bias[c]);
  Softmax(&scaled);
  return scaled;
}

Probabilities Scaling::Apply(const Probabilities& probabilities) const {
  Probabilities scaled;
  for (const auto& row : probabilities) scaled.push_back(Apply(row));
  return scaled;
}

Probabilities LogProbabilities(const Probabilities& probabilities) {
  Probabilities logs = probabilities;
  for (auto& row : logs) {
    for (double& p : row) p = Log(p);
  }
  return logs;
}

Scaling FitTemperature(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireSamples(probabilities, labels);
  const Probabilities z = LogProbabilities(probabilities);
  // Bisection of the logarithm until the ends are neighbours: the slope is exact where its zero is.
  double low = 1 / kMostTemperature, high = 1 / kLeastTemperature;
  if (Slope(z, labels, low) >= 0) high = low;
  if (Slope(z, labels, high) <= 0) low = high;
  for (int i = 0; i < 60 && low < high; ++i) {
    const double middle = std::sqrt(low * high);
    (Slope(z, labels, middle) < 0 ? low : high) = middle;
  }
  const size_t classes = z[0].size();
  return {std::vector<double>(classes, low), std::vector<double>(classes, 0)};
}

double TemperatureOf(const Scaling& scaling) { return 1 / scaling.weight.front(); }

Scaling FitVector(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireSamples(probabilities, labels);
  const Probabilities z = LogProbabilities(probabilities);
  const size_t classes = z[0].size();
  std::vector<double> x(2 * classes, 0);
  std::fill_n(x.begin(), classes, 1);
  x = Minimize([&](const std::vector<double>& at,
                   std::vector<double>* gradient) { return VectorLoss(z, labels, at, gradient); },
               std::move(x));
  const auto middle = x.begin() + static_cast<std::ptrdiff_t>(classes);
  return {{x.begin(), middle}, {middle, x.end()}};
}

}  // namespace pipeline
