// The best of many looks better than it is: by how much.
#ifndef PIPELINE_STATISTICS_SELECTION_H_
#define PIPELINE_STATISTICS_SELECTION_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/philox.h"

namespace pipeline {

// Recipes are compared by sums rounded to 1e-12; the lowest index wins ties.

// validation[recipe][seed] and test[recipe][seed]: at least one of each, of one shape, else abort.
struct NestedSelection {
  // For each seed: the recipe of the highest mean VAL over the other seeds. Empty with one seed.
  std::vector<int> picks;
  double honest = 0;     // mean over seeds of the pick's TEST with that seed; NaN with one seed
  double best_test = 0;  // the highest mean TEST, which nobody may publish
  double optimism = 0;   // best_test - honest; NaN with one seed
  int chosen = 0;        // the recipe of the highest mean VAL over all seeds: publish this one
  double chosen_validation = 0, chosen_test = 0;  // its means
};
// Folds are treated as seeds.
NestedSelection SelectNested(const std::vector<std::vector<double>>& validation,
                             const std::vector<std::vector<double>>& test);

// What choosing the best by the same images promises too much (bootstrap bias corrected selection,
// Tsamardinos 2018). scores[recipe][image], such as means over seeds of right answers; at least one
// of each, else abort.
struct SelectionBias {
  int chosen = 0;        // the best on all images
  double best = 0;       // its mean
  double optimism = 0;   // mean over resamples of the chosen one's mean there minus its own on all
  double corrected = 0;  // mean score of the chosen one on the images that were not drawn
  int64_t used = 0;      // resamples that left an image out
};
SelectionBias BootstrapSelection(const std::vector<std::vector<double>>& scores,
                                 const PhiloxKey& key = {42, 4}, int64_t resamples = 2000);

// The mean of the greatest of k >= 1 standard normal numbers.
double ExpectedMaximum(int64_t k);

// By how much the best of k recipes of equal true accuracy beats it, on n images: sigma sqrt(1 - r)
// e_k, sigma^2 = accuracy (1 - accuracy) / n, r the correlation between two recipes' answers.
double OptimismOfBest(int64_t k, double accuracy, double correlation, int64_t images);
// The same where two of them differ on a share `discordant` of the images: this is measured, the
// correlation is not: sqrt(discordant / 2n) e_k.
double OptimismOfBest(int64_t k, double discordant, int64_t images);

// Mean over all pairs of recipes of the share of images on which one is right and the other wrong.
// right[recipe][image]; 0 with one recipe.
double DiscordantShare(const std::vector<std::vector<bool>>& right);

// The least difference of accuracy that an interval of this level over n images tells from 0 where
// two networks differ on a share `discordant` of them: z sqrt(discordant / n). Print it before the
// run.
double DetectableDifference(double discordant, int64_t images, double level = 0.95);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_SELECTION_H_
