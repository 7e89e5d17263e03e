// Effects of losses as weighted sums of recipes' scores.
#include "pipeline/statistics/effects.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "pipeline/statistics/least_squares.h"

namespace pipeline {
namespace {

bool Has(const std::vector<int>& set, int loss) {
  return std::binary_search(set.begin(), set.end(), loss);
}

void RequireSets(const LossSets& sets) {
  std::set<std::vector<int>> seen;
  for (const std::vector<int>& set : sets) {
    const bool ascending =
        std::adjacent_find(set.begin(), set.end(), std::greater_equal<int>()) == set.end();
    if (!ascending || !seen.insert(set).second) std::abort();
  }
}

// 1, the losses that are in the set, the pairs that are.
std::vector<double> RowOf(const std::vector<int>& set, int losses,
                          const std::vector<std::pair<int, int>>& pairs) {
  std::vector<double> row = {1};
  for (int loss = 0; loss < losses; ++loss) row.push_back(Has(set, loss));
  for (const auto& [a, b] : pairs) row.push_back(Has(set, a) && Has(set, b));
  return row;
}

std::optional<EffectsModel> Fit(const LossSets& sets, int losses,
                                const std::vector<std::pair<int, int>>& pairs) {
  RequireSets(sets);
  std::vector<std::vector<double>> rows;
  for (const std::vector<int>& set : sets) {
    if (!set.empty() && (set.front() < 0 || set.back() >= losses)) std::abort();
    rows.push_back(RowOf(set, losses, pairs));
  }
  auto forms = Pseudoinverse(rows);
  if (!forms) return std::nullopt;
  EffectsModel model;
  model.base = (*forms)[0];
  model.losses.assign(forms->begin() + 1, forms->begin() + 1 + losses);
  model.pairs = pairs;
  model.interactions.assign(forms->begin() + 1 + losses, forms->end());
  model.residual_degrees = static_cast<int64_t>(sets.size()) - static_cast<int64_t>(forms->size());
  return model;
}

}  // namespace

double Apply(const LinearForm& form, const std::vector<double>& scores) {
  if (form.size() != scores.size()) std::abort();
  double sum = 0;
  for (size_t j = 0; j < form.size(); ++j) sum += form[j] * scores[j];
  return sum;
}

SeedsByImages Apply(const LinearForm& form, const std::vector<SeedsByImages>& scores) {
  if (form.size() != scores.size() || scores.empty()) std::abort();
  SeedsByImages sum;
  for (const std::vector<double>& row : scores[0]) sum.emplace_back(row.size(), 0.0);
  for (size_t j = 0; j < form.size(); ++j) {
    if (scores[j].size() != sum.size()) std::abort();
    for (size_t s = 0; s < sum.size(); ++s) {
      if (scores[j][s].size() != sum[s].size()) std::abort();
      for (size_t i = 0; i < sum[s].size(); ++i) sum[s][i] += form[j] * scores[j][s][i];
    }
  }
  return sum;
}

MatchedEffect MatchedDifference(const LossSets& sets, int loss) {
  RequireSets(sets);
  std::map<std::vector<int>, size_t> position;
  for (size_t j = 0; j < sets.size(); ++j) position[sets[j]] = j;
  MatchedEffect effect;
  effect.form.assign(sets.size(), 0);
  for (size_t j = 0; j < sets.size(); ++j) {
    if (sets[j].empty() || Has(sets[j], loss)) continue;
    std::vector<int> with = sets[j];
    with.insert(std::lower_bound(with.begin(), with.end(), loss), loss);
    const auto found = position.find(with);
    if (found == position.end()) continue;
    ++effect.pairs;
    ++effect.form[found->second];
    --effect.form[j];
  }
  for (double& weight : effect.form) {
    if (effect.pairs > 0) weight /= static_cast<double>(effect.pairs);
  }
  return effect;
}

LinearForm NaiveDifference(const LossSets& sets, int loss) {
  RequireSets(sets);
  double with = 0;
  for (const std::vector<int>& set : sets) with += Has(set, loss);
  const double without = static_cast<double>(sets.size()) - with;
  LinearForm form(sets.size(), 0);
  for (size_t j = 0; with > 0 && without > 0 && j < sets.size(); ++j) {
    form[j] = Has(sets[j], loss) ? 1 / with : -1 / without;
  }
  return form;
}

std::optional<EffectsModel> AdditiveModel(const LossSets& sets, int losses) {
  return Fit(sets, losses, {});
}

std::optional<EffectsModel> PairwiseModel(const LossSets& sets, int losses) {
  std::vector<std::pair<int, int>> pairs;
  for (int a = 0; a < losses; ++a) {
    for (int b = a + 1; b < losses; ++b) pairs.emplace_back(a, b);
  }
  return Fit(sets, losses, pairs);
}

double ResidualSquares(const EffectsModel& model, const LossSets& sets,
                       const std::vector<double>& scores) {
  if (scores.size() != sets.size()) std::abort();
  const int losses = static_cast<int>(model.losses.size());
  std::vector<double> coefficients = {Apply(model.base, scores)};
  for (const LinearForm& form : model.losses) coefficients.push_back(Apply(form, scores));
  for (const LinearForm& form : model.interactions) coefficients.push_back(Apply(form, scores));
  double sum = 0;
  for (size_t j = 0; j < sets.size(); ++j) {
    const double rest = scores[j] - Apply(coefficients, RowOf(sets[j], losses, model.pairs));
    sum += rest * rest;
  }
  return sum;
}

}  // namespace pipeline
