// Nemenyi's difference, groups that it leaves together, and intervals of mean ranks.
#include "pipeline/statistics/ranks.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "pipeline/statistics/normal.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/probabilities.h"
#include "pipeline/statistics/quadrature.h"
#include "pipeline/statistics/resampled_means.h"

namespace pipeline {
namespace {

// Standard error of a difference of two mean ranks.
double RankError(int64_t methods, int64_t datasets) {
  if (methods < 2 || datasets < 1) std::abort();
  const double k = static_cast<double>(methods);
  return std::sqrt(k * (k + 1) / (6 * static_cast<double>(datasets)));
}

// Less one image's value of its first method and seed: ranks stay, and zeros cost nothing.
std::vector<SeedsByImages> AgainstFirst(const std::vector<SeedsByImages>& scores) {
  std::vector<SeedsByImages> differences = scores;
  for (SeedsByImages& method : differences) {
    for (std::vector<double>& row : method) {
      if (row.size() != scores[0][0].size()) std::abort();
      for (size_t i = 0; i < row.size(); ++i) row[i] -= scores[0][0][i];
    }
  }
  return differences;
}

struct Ranking {
  std::vector<double> ranks, first;
};

// Mean ranks over datasets, and the share of being first by them.
Ranking RankingOf(const std::vector<std::vector<double>>& ranks_by_dataset) {
  Ranking ranking;
  const size_t methods = ranks_by_dataset[0].size();
  ranking.ranks.resize(methods);
  ranking.first.resize(methods);
  for (size_t j = 0; j < methods; ++j) {
    for (const auto& ranks : ranks_by_dataset) ranking.ranks[j] += ranks[j];
  }
  // Sums of halves are exact.
  const double best = *std::min_element(ranking.ranks.begin(), ranking.ranks.end());
  const auto firsts = std::count(ranking.ranks.begin(), ranking.ranks.end(), best);
  for (size_t j = 0; j < methods; ++j) {
    if (ranking.ranks[j] == best) ranking.first[j] = 1 / static_cast<double>(firsts);
    ranking.ranks[j] /= static_cast<double>(ranks_by_dataset.size());
  }
  return ranking;
}

}  // namespace

double StudentizedRangeCdf(double x, int64_t k) {
  if (k < 2) std::abort();
  if (!(x > 0)) return 0;
  const double count = static_cast<double>(k);
  return count * Integral(
                     [x, count](double z) {
                       const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
                       return density * std::pow(NormalCdf(z) - NormalCdf(z - x), count - 1);
                     },
                     -9, 9);
}

double StudentizedRangeQuantile(double p, int64_t k) {
  if (!(p >= 0 && p < 1)) return NAN;
  double low = 0, high = 40;
  for (double middle = 20; middle > low && middle < high; middle = (low + high) / 2) {
    (StudentizedRangeCdf(middle, k) < p ? low : high) = middle;
  }
  return high;
}

double NemenyiDifference(int64_t methods, int64_t datasets, double level) {
  return StudentizedRangeQuantile(level, methods) / std::sqrt(2.0) * RankError(methods, datasets);
}

double NemenyiP(double gap, int64_t methods, int64_t datasets) {
  const double range = std::sqrt(2.0) * std::abs(gap) / RankError(methods, datasets);
  return std::clamp(1 - StudentizedRangeCdf(range, methods), 0.0, 1.0);
}

double ControlDifference(int64_t methods, int64_t datasets, double level) {
  const double tail = (1 - level) / 2 / static_cast<double>(methods - 1);
  return -NormalQuantile(tail) * RankError(methods, datasets);
}

std::vector<std::vector<int>> IndistinctGroups(const std::vector<double>& ranks,
                                               double difference) {
  std::vector<int> order(ranks.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&ranks](int a, int b) { return ranks[a] < ranks[b]; });
  std::vector<std::vector<int>> groups;
  size_t reached = 0;
  for (size_t first = 0; first < order.size(); ++first) {
    size_t end = first + 1;
    while (end < order.size() && ranks[order[end]] - ranks[order[first]] < difference) ++end;
    if (end - first < 2 || end <= reached) continue;
    reached = end;
    groups.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(first),
                        order.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return groups;
}

std::vector<RankInterval> RankIntervals(const std::vector<std::vector<SeedsByImages>>& scores,
                                        const RankOptions& options) {
  if (scores.empty() || scores[0].empty() || options.resamples < 1) std::abort();
  const size_t methods = scores[0].size();
  std::vector<ResampledMeans> datasets;
  std::vector<CrossedOptions> draws;
  std::vector<std::vector<double>> own;
  for (const std::vector<SeedsByImages>& dataset : scores) {
    if (dataset.size() != methods) std::abort();
    const ResampledMeans& means = datasets.emplace_back(AgainstFirst(dataset));
    own.push_back(MeanRanks(means.Means()));
    const uint64_t purpose = 9 + datasets.size();
    CrossedOptions& draw = draws.emplace_back();
    draw.images = {options.seed, purpose};
    draw.seeds = {options.seed, 1000 + purpose};
  }

  std::vector<std::vector<double>> resampled(methods), first(methods);
  for (int64_t b = 0; b < options.resamples; ++b) {
    std::vector<std::vector<double>> ranks;
    for (size_t d = 0; d < datasets.size(); ++d) {
      ranks.push_back(MeanRanks(datasets[d].Means(draws[d], b)));
    }
    const Ranking ranking = RankingOf(ranks);
    for (size_t j = 0; j < methods; ++j) {
      resampled[j].push_back(ranking.ranks[j]);
      first[j].push_back(ranking.first[j]);
    }
  }
  std::vector<RankInterval> result;
  const std::vector<double> ranks = RankingOf(own).ranks;
  for (size_t j = 0; j < methods; ++j) {
    const Spread spread = SpreadOf(resampled[j], options.level);
    result.push_back({ranks[j], spread.low, spread.high, Mean(first[j])});
  }
  return result;
}

}  // namespace pipeline
