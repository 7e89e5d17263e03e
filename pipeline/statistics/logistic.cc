// Logistic regression by L-BFGS.
#include "pipeline/statistics/logistic.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>

#include "pipeline/statistics/minimize.h"

namespace pipeline {
namespace {

void RequireFeatures(const Features& features, const std::vector<int>& labels, int classes) {
  if (features.empty() || features.size() != labels.size()) std::abort();
  for (size_t i = 0; i < labels.size(); ++i) {
    const bool shape = !features[i].empty() && features[i].size() == features[0].size();
    if (!shape || labels[i] < 0 || labels[i] >= classes) std::abort();
  }
}

void Standardize(const Features& features, LogisticRegression* fit) {
  const size_t count = features[0].size();
  const double share = 1 / static_cast<double>(features.size());
  fit->mean.assign(count, 0);
  fit->deviation.assign(count, 0);
  for (const auto& row : features) {
    for (size_t k = 0; k < count; ++k) fit->mean[k] += share * row[k];
  }
  for (const auto& row : features) {
    for (size_t k = 0; k < count; ++k) {
      fit->deviation[k] += share * (row[k] - fit->mean[k]) * (row[k] - fit->mean[k]);
    }
  }
  for (size_t k = 0; k < count; ++k) {
    fit->deviation[k] = std::sqrt(fit->deviation[k]);
    // Constant but for rounding.
    if (fit->deviation[k] <= 1e-12 * std::abs(fit->mean[k])) fit->deviation[k] = 0;
  }
}

// With a last one of 1, for the bias.
std::vector<double> Standardized(const LogisticRegression& fit, const std::vector<double>& row) {
  std::vector<double> x;
  for (size_t k = 0; k < row.size(); ++k) {
    x.push_back(fit.deviation[k] == 0 ? 0 : (row[k] - fit.mean[k]) / fit.deviation[k]);
  }
  x.push_back(1);
  return x;
}

double Dot(const std::vector<double>& x, const double* weights) {
  double sum = 0;
  for (size_t k = 0; k < x.size(); ++k) sum += x[k] * weights[k];
  return sum;
}

// Mean of -log p, and the penalty, of weights by class, each class's bias last.
double Loss(const Features& x, const std::vector<int>& labels, double penalty,
            const std::vector<double>& weights, std::vector<double>* gradient) {
  const size_t columns = x[0].size(), classes = weights.size() / columns;
  const double share = 1 / static_cast<double>(x.size());
  double loss = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    const double counted = (k + 1) % columns == 0 ? 0 : weights[k];
    loss += penalty * counted * counted / 2;
    (*gradient)[k] = penalty * counted;
  }
  std::vector<double> p(classes);
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t c = 0; c < classes; ++c) p[c] = Dot(x[i], &weights[c * columns]);
    const double own = p[labels[i]];
    loss += share * (Softmax(&p) - own);
    p[labels[i]] -= 1;
    for (size_t c = 0; c < classes; ++c) {
      double* slope = &(*gradient)[c * columns];
      for (size_t k = 0; k < columns; ++k) slope[k] += share * p[c] * x[i][k];
    }
  }
  return loss;
}

// The fold of each sample.
std::vector<int> Dealt(const std::vector<int>& labels, int classes, int folds,
                       const PhiloxKey& key) {
  std::vector<int> fold(labels.size());
  int next = 0;
  for (int c = 0; c < classes; ++c) {
    std::vector<size_t> own;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == c) own.push_back(i);
    }
    PhiloxStream stream(key, static_cast<uint64_t>(c));
    for (size_t k = own.size(); k > 1; --k) {
      std::swap(own[k - 1], own[stream.Below(static_cast<int64_t>(k))]);
    }
    for (const size_t i : own) fold[i] = next++ % folds;
  }
  return fold;
}

}  // namespace

std::vector<double> LogisticRegression::ProbabilitiesOf(const std::vector<double>& features) const {
  const std::vector<double> x = Standardized(*this, features);
  std::vector<double> p;
  for (const auto& own : weights) p.push_back(Dot(x, own.data()));
  Softmax(&p);
  return p;
}

LogisticRegression FitLogistic(const Features& features, const std::vector<int>& labels,
                               int classes, double strength) {
  RequireFeatures(features, labels, classes);
  LogisticRegression fit;
  Standardize(features, &fit);
  Features x;
  for (const auto& row : features) x.push_back(Standardized(fit, row));
  const size_t columns = x[0].size();
  const double penalty = 1 / (strength * static_cast<double>(x.size()));
  const std::vector<double> weights = Minimize(
      [&](const std::vector<double>& at, std::vector<double>* gradient) {
        return Loss(x, labels, penalty, at, gradient);
      },
      std::vector<double>(classes * columns, 0));
  for (int c = 0; c < classes; ++c) {
    const double* own = &weights[c * columns];
    fit.weights.emplace_back(own, own + columns);
  }
  return fit;
}

Probabilities CrossValidated(const Features& features, const std::vector<int>& labels, int classes,
                             int folds, double strength, const PhiloxKey& key) {
  RequireFeatures(features, labels, classes);
  if (folds < 2 || folds > static_cast<int>(labels.size())) std::abort();
  const std::vector<int> fold_of = Dealt(labels, classes, folds, key);
  Probabilities probabilities(labels.size());
  for (int fold = 0; fold < folds; ++fold) {
    Features seen;
    std::vector<int> seen_labels;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (fold_of[i] == fold) continue;
      seen.push_back(features[i]);
      seen_labels.push_back(labels[i]);
    }
    const LogisticRegression fit = FitLogistic(seen, seen_labels, classes, strength);
    for (size_t i = 0; i < labels.size(); ++i) {
      if (fold_of[i] == fold) probabilities[i] = fit.ProbabilitiesOf(features[i]);
    }
  }
  return probabilities;
}

}  // namespace pipeline
