// Nested and bootstrapped selection, the expected maximum.
#include "pipeline/statistics/selection.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pipeline/statistics/normal.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/probabilities.h"
#include "pipeline/statistics/quadrature.h"

namespace pipeline {
namespace {

using Table = std::vector<std::vector<double>>;

void RequireTable(const Table& table) {
  if (table.empty() || table[0].empty()) std::abort();
  for (const std::vector<double>& row : table) {
    if (row.size() != table[0].size()) std::abort();
  }
}

// The lowest index of the highest.
int Best(const std::vector<double>& values) {
  int best = 0;
  for (size_t j = 1; j < values.size(); ++j) {
    if (Comparable(values[j]) > Comparable(values[best])) best = static_cast<int>(j);
  }
  return best;
}

std::vector<double> Means(const Table& table) {
  std::vector<double> means;
  for (const std::vector<double>& row : table) means.push_back(Mean(row));
  return means;
}

int BestWithout(const Table& validation, size_t seed) {
  std::vector<double> means;
  for (std::vector<double> row : validation) {
    row.erase(row.begin() + static_cast<std::ptrdiff_t>(seed));
    means.push_back(Mean(row));
  }
  return Best(means);
}

double NormalDensity(double z) { return std::exp(-z * z / 2) / std::sqrt(2 * M_PI); }

}  // namespace

NestedSelection SelectNested(const Table& validation, const Table& test) {
  RequireTable(validation);
  RequireTable(test);
  const size_t seeds = validation[0].size();
  if (test.size() != validation.size() || test[0].size() != seeds) std::abort();
  const std::vector<double> of_validation = Means(validation), of_test = Means(test);
  NestedSelection result;
  result.chosen = Best(of_validation);
  result.chosen_validation = of_validation[result.chosen];
  result.chosen_test = of_test[result.chosen];
  result.best_test = *std::max_element(of_test.begin(), of_test.end());
  std::vector<double> honest;
  for (size_t s = 0; seeds > 1 && s < seeds; ++s) {
    result.picks.push_back(BestWithout(validation, s));
    honest.push_back(test[result.picks.back()][s]);
  }
  result.honest = Mean(honest);
  result.optimism = result.best_test - result.honest;
  return result;
}

SelectionBias BootstrapSelection(const Table& scores, const PhiloxKey& key, int64_t resamples) {
  RequireTable(scores);
  if (resamples < 1) std::abort();
  const int64_t images = static_cast<int64_t>(scores[0].size());
  const std::vector<double> own = Means(scores);
  SelectionBias result;
  result.chosen = Best(own);
  result.best = own[result.chosen];
  for (int64_t b = 0; b < resamples; ++b) {
    PhiloxStream stream(key, b);
    std::vector<double> drawn(images);
    for (int64_t i = 0; i < images; ++i) ++drawn[stream.Below(images)];
    std::vector<double> in_bag;
    for (const std::vector<double>& row : scores) {
      double sum = 0;
      for (int64_t i = 0; i < images; ++i) sum += drawn[i] * row[i];
      in_bag.push_back(sum / static_cast<double>(images));
    }
    const int pick = Best(in_bag);
    result.optimism += in_bag[pick] - own[pick];
    std::vector<double> out_of_bag;
    for (int64_t i = 0; i < images; ++i) {
      if (drawn[i] == 0) out_of_bag.push_back(scores[pick][i]);
    }
    if (out_of_bag.empty()) continue;
    ++result.used;
    result.corrected += Mean(out_of_bag);
  }
  result.optimism /= static_cast<double>(resamples);
  result.corrected /= static_cast<double>(result.used);
  return result;
}

double ExpectedMaximum(int64_t k) {
  if (k < 1) std::abort();
  const double count = static_cast<double>(k);
  return Integral(
      [count](double z) {
        return z * count * NormalDensity(z) * std::pow(NormalCdf(z), count - 1);
      },
      -9, 9);
}

double OptimismOfBest(int64_t k, double accuracy, double correlation, int64_t images) {
  return OptimismOfBest(k, 2 * accuracy * (1 - accuracy) * (1 - correlation), images);
}

double OptimismOfBest(int64_t k, double discordant, int64_t images) {
  if (images < 1 || !(discordant >= 0)) std::abort();
  return std::sqrt(discordant / (2 * static_cast<double>(images))) * ExpectedMaximum(k);
}

double DiscordantShare(const std::vector<std::vector<bool>>& right) {
  if (right.empty() || right[0].empty()) std::abort();
  const int64_t recipes = static_cast<int64_t>(right.size());
  const size_t images = right[0].size();
  int64_t pairs = 0;
  for (size_t i = 0; i < images; ++i) {
    int64_t hits = 0;
    for (const std::vector<bool>& row : right) {
      if (row.size() != images) std::abort();
      hits += row[i];
    }
    pairs += hits * (recipes - hits);
  }
  if (recipes == 1) return 0;
  return static_cast<double>(pairs) / (static_cast<double>(recipes * (recipes - 1)) / 2) /
         static_cast<double>(images);
}

double DetectableDifference(double discordant, int64_t images, double level) {
  if (images < 1 || !(discordant >= 0)) std::abort();
  return NormalQuantile((1 + level) / 2) * std::sqrt(discordant / static_cast<double>(images));
}

}  // namespace pipeline
