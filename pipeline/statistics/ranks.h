// Methods over datasets: mean ranks, whether they could be chance, and which cannot be told apart.
#ifndef PIPELINE_STATISTICS_RANKS_H_
#define PIPELINE_STATISTICS_RANKS_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/crossed.h"

namespace pipeline {

// Rank 1 is the highest score, equal ones share their mean rank. Scores are rounded to 1e-12 first.
// NaN aborts.
std::vector<double> MeanRanks(const std::vector<double>& scores);

// scores[dataset][method], higher is better: no cell missing (drop such a method), seeds averaged
// before (they are no datasets), and the two tasks of one dataset are not two.
using DatasetScores = std::vector<std::vector<double>>;

struct Friedman {
  std::vector<double> ranks;  // of each method, mean over datasets
  // Corrected for ties, k - 1 degrees of freedom; timid for few datasets. All equal: 0, p 1.
  double chi_squared = 0, chi_squared_p = 1;
  // Iman and Davenport's F; bold for few datasets. Infinite where all datasets rank alike: its p is
  // then (k!)^(1 - N).
  double f = 0, f_p = 1;
  // Permutation of each dataset's ranks, by the sum of squared rank sums: the one to print for
  // fewer than 10 datasets. Exact where that can be counted, else from 9,999 permutations.
  double permutation_p = 1;
  bool exact = true;
};
// Do ranks differ consistently over datasets? At least one dataset and one method, else abort.
Friedman FriedmanTest(const DatasetScores& scores, const PhiloxKey& key = {42, 9});

// P(Q <= x) of the range of k >= 2 standard normal numbers, and its inverse.
double StudentizedRangeCdf(double x, int64_t k);
double StudentizedRangeQuantile(double p, int64_t k);

// Two of k methods whose mean ranks over N datasets differ by less are not told apart (Nemenyi).
double NemenyiDifference(int64_t methods, int64_t datasets, double level = 0.95);
// Of two methods whose mean ranks differ by `gap`.
double NemenyiP(double gap, int64_t methods, int64_t datasets);
// The same against one control that was named before (Bonferroni and Dunn).
double ControlDifference(int64_t methods, int64_t datasets, double level = 0.95);

// The thick bars of a critical-difference diagram: of the methods sorted by rank, the maximal runs
// whose ends differ by less than `difference`; indices of methods, best first, at least two each.
std::vector<std::vector<int>> IndistinctGroups(const std::vector<double>& ranks, double difference);

// How sure the mean ranks over just these datasets are, over new images (and new trainings).
struct RankInterval {
  double rank = 0;  // of the scores themselves; not the resamples' mean, pulled to the middle
  double low = 0, high = 0;  // percentile
  double first = 0;          // share of resamples in which the method is first; ties are shared
};
struct RankOptions {
  uint64_t seed =
      42;  // of the study; purposes 10, 11, ... are the datasets' images, 1010 ... seeds
  int64_t resamples = 2000;
  double level = 0.95;
};
// scores[dataset][method][seed][image]: seeds and images may differ between datasets.
std::vector<RankInterval> RankIntervals(const std::vector<std::vector<SeedsByImages>>& scores,
                                        const RankOptions& options = {});

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_RANKS_H_
