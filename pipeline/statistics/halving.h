// Successive halving: what it costs, and on a finished study how often it keeps the best.
#ifndef PIPELINE_STATISTICS_HALVING_H_
#define PIPELINE_STATISTICS_HALVING_H_

#include <cstdint>
#include <vector>

namespace pipeline {

// How many of `recipes` enter each of `rungs` rungs, the next being the last divided by eta and
// rounded up, never below 1: 63 21 7 3 for eta 3. eta >= 2, else abort.
std::vector<int64_t> RungSizes(int64_t recipes, int64_t eta, int64_t rungs);

// In epochs, runs being resumed at the next rung: entering[i] recipes are trained up to epochs[i].
struct HalvingCost {
  int64_t epochs = 0;  // with halving
  int64_t full = 0;    // of all recipes to the end
  double gain = 0;     // full / epochs
};
// Of one length >= 1; `epochs` rises, `entering` does not; else abort.
HalvingCost CostOf(const std::vector<int64_t>& entering, const std::vector<int64_t>& epochs);

// The recipes that go on, best first: the `keep` of the highest mean value over `seeds` (with
// repetitions), the lowest index of equals. values[recipe][seed][rung], `from` indices of recipes.
std::vector<int> Survivors(const std::vector<std::vector<std::vector<double>>>& values,
                           const std::vector<int>& from, const std::vector<int>& seeds, int rung,
                           int64_t keep);

// Halving replayed with some seeds of a finished study, one multiset of them.
struct HalvingDraw {
  std::vector<int> seeds;  // ascending, with repetitions
  int64_t orders = 0;      // in how many orders they can be drawn: the draw's weight
  int pick = 0;            // the recipe that halving ends with
  double regret = 0;       // final mean over all seeds of the full study's best minus the pick's
};
struct HalvingReplay {
  int best = 0;                      // the highest final mean over all seeds
  std::vector<HalvingDraw> draws;    // all of them: 10 multisets of 3 seeds
  int64_t survived = 0, orders = 0;  // orders of draws that end with the best, of all orders
  double regret = 0;                 // mean over all orders
  double most_regret = 0;
};
// validation[recipe][seed][rung], the last rung being full training; entering[rung] as of
// RungSizes; the last rung's best is picked. `drawn` seeds are drawn with replacement; as many as
// there are seeds, or 1. There must be at most 100,000 multisets (10 of 10 seeds make 92,378), else
// abort.
HalvingReplay ReplayHalving(const std::vector<std::vector<std::vector<double>>>& validation,
                            const std::vector<int64_t>& entering, int drawn);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_HALVING_H_
