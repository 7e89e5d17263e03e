// Successive halving on stored values.
#include "pipeline/statistics/halving.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "pipeline/statistics/percentile.h"

namespace pipeline {
namespace {

using Values = std::vector<std::vector<std::vector<double>>>;

constexpr size_t kMostMultisets = 100000;

double MeanOver(const std::vector<std::vector<double>>& of_recipe, const std::vector<int>& seeds,
                int rung) {
  double sum = 0;
  for (const int seed : seeds) sum += of_recipe[seed][rung];
  return sum / static_cast<double>(seeds.size());
}

// In how many orders an ascending list with repetitions can be drawn.
int64_t OrdersOf(const std::vector<int>& multiset) {
  int64_t orders = 1, placed = 0, equal = 0;
  for (size_t i = 0; i < multiset.size(); ++i) {
    equal = i > 0 && multiset[i] == multiset[i - 1] ? equal + 1 : 1;
    orders = orders * ++placed / equal;
  }
  return orders;
}

// The next ascending list of numbers below `seeds`; false after the last.
bool Next(std::vector<int>* multiset, int seeds) {
  size_t last = multiset->size();
  while (last > 0 && (*multiset)[last - 1] == seeds - 1) --last;
  if (last == 0) return false;
  std::fill(multiset->begin() + static_cast<std::ptrdiff_t>(last) - 1, multiset->end(),
            (*multiset)[last - 1] + 1);
  return true;
}

int PickOf(const Values& values, const std::vector<int64_t>& entering,
           const std::vector<int>& seeds) {
  std::vector<int> left(values.size());
  std::iota(left.begin(), left.end(), 0);
  for (size_t rung = 0; rung < entering.size(); ++rung) {
    const int64_t keep = rung + 1 < entering.size() ? entering[rung + 1] : 1;
    left = Survivors(values, left, seeds, static_cast<int>(rung), keep);
  }
  return left[0];
}

void Require(const Values& values, size_t rungs) {
  if (values.empty() || values[0].empty()) std::abort();
  for (const auto& recipe : values) {
    if (recipe.size() != values[0].size()) std::abort();
    for (const auto& run : recipe) {
      if (run.size() != rungs) std::abort();
    }
  }
}

}  // namespace

std::vector<int64_t> RungSizes(int64_t recipes, int64_t eta, int64_t rungs) {
  if (recipes < 1 || eta < 2 || rungs < 1) std::abort();
  std::vector<int64_t> sizes = {recipes};
  while (static_cast<int64_t>(sizes.size()) < rungs) {
    sizes.push_back((sizes.back() + eta - 1) / eta);
  }
  return sizes;
}

HalvingCost CostOf(const std::vector<int64_t>& entering, const std::vector<int64_t>& epochs) {
  if (entering.empty() || entering.size() != epochs.size()) std::abort();
  HalvingCost cost;
  int64_t trained = 0;
  for (size_t rung = 0; rung < entering.size(); ++rung) {
    if (epochs[rung] <= trained || entering[rung] < 1) std::abort();
    if (rung > 0 && entering[rung] > entering[rung - 1]) std::abort();
    cost.epochs += entering[rung] * (epochs[rung] - trained);
    trained = epochs[rung];
  }
  cost.full = entering[0] * trained;
  cost.gain = static_cast<double>(cost.full) / static_cast<double>(cost.epochs);
  return cost;
}

std::vector<int> Survivors(const Values& values, const std::vector<int>& from,
                           const std::vector<int>& seeds, int rung, int64_t keep) {
  if (keep < 1 || keep > static_cast<int64_t>(from.size()) || seeds.empty()) std::abort();
  std::vector<std::pair<double, int>> order;  // lowest first
  for (const int recipe : from) {
    order.emplace_back(-Comparable(MeanOver(values[recipe], seeds, rung)), recipe);
  }
  std::sort(order.begin(), order.end());
  std::vector<int> kept;
  for (int64_t k = 0; k < keep; ++k) kept.push_back(order[k].second);
  return kept;
}

HalvingReplay ReplayHalving(const Values& validation, const std::vector<int64_t>& entering,
                            int drawn) {
  if (entering.empty() || drawn < 1) std::abort();
  Require(validation, entering.size());
  if (entering[0] != static_cast<int64_t>(validation.size())) std::abort();
  const int seeds = static_cast<int>(validation[0].size());
  const int last = static_cast<int>(entering.size()) - 1;
  std::vector<int> all_seeds(seeds), all(validation.size());
  std::iota(all_seeds.begin(), all_seeds.end(), 0);
  std::iota(all.begin(), all.end(), 0);
  HalvingReplay replay;
  replay.best = Survivors(validation, all, all_seeds, last, 1)[0];
  const double best = MeanOver(validation[replay.best], all_seeds, last);

  std::vector<int> multiset(drawn, 0);
  do {
    if (replay.draws.size() == kMostMultisets) std::abort();
    HalvingDraw draw{multiset, OrdersOf(multiset)};
    draw.pick = PickOf(validation, entering, multiset);
    draw.regret = best - MeanOver(validation[draw.pick], all_seeds, last);
    replay.orders += draw.orders;
    if (draw.pick == replay.best) replay.survived += draw.orders;
    replay.regret += static_cast<double>(draw.orders) * draw.regret;
    replay.most_regret = std::max(replay.most_regret, draw.regret);
    replay.draws.push_back(draw);
  } while (Next(&multiset, seeds));
  replay.regret /= static_cast<double>(replay.orders);
  return replay;
}

}  // namespace pipeline
