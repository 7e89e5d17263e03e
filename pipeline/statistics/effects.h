// What each loss adds to the fusions that it is in. Each effect is a weighted sum of the recipes'
// scores, so that its interval is that of the same weighted sum per seed and image (crossed.h).
#ifndef PIPELINE_STATISTICS_EFFECTS_H_
#define PIPELINE_STATISTICS_EFFECTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/statistics/crossed.h"

namespace pipeline {

// Which losses each recipe sums: ascending indices in [0, losses), no set twice, else abort.
using LossSets = std::vector<std::vector<int>>;

// One weight for each recipe: effect = sum of weight * score.
using LinearForm = std::vector<double>;

double Apply(const LinearForm& form, const std::vector<double>& scores);
// The same in each seed and image: scores[recipe][seed][image], as many recipes as weights.
SeedsByImages Apply(const LinearForm& form, const std::vector<SeedsByImages>& scores);

// The headline: mean over the sets T without the loss for which T and T + loss both exist (T not
// empty) of score(T + loss) - score(T). No model. A sum of losses also has a larger gradient: that
// is part of what adding one does.
struct MatchedEffect {
  LinearForm form;
  int64_t pairs = 0;  // 0: no such pair, the form is all zeros
};
MatchedEffect MatchedDifference(const LossSets& sets, int loss);

// Mean of the recipes with the loss minus mean of those without: biased, as these have other losses
// and sizes. Only to warn of. All zeros where every recipe or none has the loss.
LinearForm NaiveDifference(const LossSets& sets, int loss);

// score = base + the sum of the effects of the losses in it (+ of the pairs of losses in it), by
// least squares. The base, the empty sum, is no real recipe.
struct EffectsModel {
  LinearForm base;
  std::vector<LinearForm> losses;          // by loss
  std::vector<std::pair<int, int>> pairs;  // first < second; empty in the additive model
  std::vector<LinearForm> interactions;    // by pair
  int64_t residual_degrees = 0;            // recipes - coefficients
};
// None where the recipes do not determine it: too few of them, or a loss that is never (always)
// there.
std::optional<EffectsModel> AdditiveModel(const LossSets& sets, int losses);
// Of all pairs of losses. Report interactions with intervals and Holm over their number only.
std::optional<EffectsModel> PairwiseModel(const LossSets& sets, int losses);

// Sum of the squared differences between the scores and what the model says.
double ResidualSquares(const EffectsModel& model, const LossSets& sets,
                       const std::vector<double>& scores);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_EFFECTS_H_
