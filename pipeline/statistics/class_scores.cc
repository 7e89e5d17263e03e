// Wilson's interval and macro F1.
#include "pipeline/statistics/class_scores.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "pipeline/statistics/normal.h"

namespace pipeline {
namespace {

constexpr size_t kFewest = 5;  // samples of a class that an interval needs

std::optional<BootstrapInterval> WithinClasses(const std::vector<int>& labels, int classes,
                                               const DifferenceOn& difference,
                                               BootstrapOptions options) {
  options.strata = SamplesByClass(labels, classes);
  for (const std::vector<int64_t>& stratum : options.strata) {
    if (stratum.size() < kFewest) return std::nullopt;
  }
  return PairedBootstrap(static_cast<int64_t>(labels.size()), difference, options);
}

}  // namespace

ShareInterval WilsonInterval(int64_t right, int64_t total, double level) {
  if (right < 0 || right > total || total < 1 || !(level > 0 && level < 1)) std::abort();
  const double n = static_cast<double>(total), p = static_cast<double>(right) / n;
  const double z = NormalQuantile((1 + level) / 2), square = z * z / n;
  const double middle = (p + square / 2) / (1 + square);
  const double half = z * std::sqrt(p * (1 - p) / n + square / (4 * n)) / (1 + square);
  return {right == 0 ? 0 : std::max(0.0, middle - half),
          right == total ? 1 : std::min(1.0, middle + half)};
}

double MacroF1(const std::vector<int>& labels, const std::vector<int>& answers,
               const std::vector<int64_t>& samples, int classes) {
  if (labels.size() != answers.size() || classes < 1) std::abort();
  if (samples.empty()) return NAN;
  std::vector<double> right(classes), either(classes);
  for (const int64_t i : samples) {
    ++either[labels[i]];
    ++either[answers[i]];
    if (labels[i] == answers[i]) ++right[labels[i]];
  }
  double sum = 0;
  for (int c = 0; c < classes; ++c) {
    if (either[c] > 0) sum += 2 * right[c] / either[c];
  }
  return sum / classes;
}

std::vector<std::vector<int64_t>> SamplesByClass(const std::vector<int>& labels, int classes) {
  std::vector<std::vector<int64_t>> samples(classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) std::abort();
    samples[labels[i]].push_back(static_cast<int64_t>(i));
  }
  return samples;
}

std::optional<BootstrapInterval> MacroF1Difference(const std::vector<int>& labels,
                                                   const std::vector<int>& first,
                                                   const std::vector<int>& second, int classes,
                                                   BootstrapOptions options) {
  const auto difference = [&](const std::vector<int64_t>& samples) {
    return MacroF1(labels, second, samples, classes) - MacroF1(labels, first, samples, classes);
  };
  return WithinClasses(labels, classes, difference, options);
}

std::optional<BootstrapInterval> MacroF1Interval(const std::vector<int>& labels,
                                                 const std::vector<int>& answers, int classes,
                                                 BootstrapOptions options) {
  const auto score = [&](const std::vector<int64_t>& samples) {
    return MacroF1(labels, answers, samples, classes);
  };
  return WithinClasses(labels, classes, score, options);
}

}  // namespace pipeline
