// A difference of two recipes, each trained with several seeds and tested on the same images: how
// far its mean reaches to new images, to new trainings, and to both.
#ifndef PIPELINE_STATISTICS_CROSSED_H_
#define PIPELINE_STATISTICS_CROSSED_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "pipeline/statistics/paired.h"
#include "pipeline/statistics/philox.h"

namespace pipeline {

// [seed][image]: of one recipe what it scored (1 or 0 for right or wrong, Dice, ...), or of two the
// difference, first minus second. At least one seed and one image, rows of one length, else abort.
// Seeds and images are crossed: each seed's network sees the same images, in the same order.
using SeedsByImages = std::vector<std::vector<double>>;

// To what a claim reaches.
enum class Level {
  kImages,  // these trained networks on new images
  kSeeds,   // retrained networks on these images
  kBoth,    // retrained networks on new images
};

// An interval for a mean by Student's t. All NaN where nothing can be said: of seeds with one seed,
// of images with one image, of both unless there are two of each and the variance is positive.
struct MeanInterval {
  double variance = 0;  // of the mean
  double degrees = 0;   // of freedom
  double low = 0, high = 0;
};

// Analysis of variance of crossed random effects without replication (Cornfield and Tukey 1956),
// degrees of freedom by Satterthwaite, but no fewer than the smaller factor has: the variance is a
// difference of mean squares, and where it is near 0 his formula gives almost none, and an interval
// of millions of points.
struct CrossedInterval {
  double mean = 0;
  double seed_squares = 0, image_squares = 0, error_squares = 0;  // mean squares; NaN with one row
  MeanInterval images, seeds, both;
  // The widest of the three that say anything: the main interval, as with 3 to 10 seeds none of
  // them is safe alone. With one seed it is that of images, and the claim reaches no further.
  Level main_level = Level::kBoth;
  const MeanInterval& Main() const;
};
// `level` in (0, 1), else abort. For one of m comparisons take FamilyLevel(level, m) of multiple.h.
CrossedInterval CrossedAnova(const SeedsByImages& differences, double level = 0.95);

struct CrossedOptions {
  // (the study's seed, purpose): the same for all recipes that are compared, which pairs them.
  PhiloxKey seeds = {42, 2};
  PhiloxKey images = {42, 3};
  int64_t resamples = 9999;  // >= 1
  double level = 0.95;       // in (0, 1)
};

// What one says of lists of seeds and of images (indices, with repetitions): each of these seeds on
// each of these images.
using DifferenceOnCrossed =
    std::function<double(const std::vector<int64_t>& seeds, const std::vector<int64_t>& images)>;

// For what is no mean over images (macro F1, kappa): draws seeds and images independently and takes
// their submatrix (the pigeonhole bootstrap, Owen 2007), percentile interval. It takes the variance
// of seeds too small by (S - 1) / S: with few seeds it is no 95 %. One seed: of images only.
// `difference` is called 1 + resamples times; where it gives NaN, so is the interval.
BootstrapInterval CrossedBootstrap(int64_t seeds, int64_t images,
                                   const DifferenceOnCrossed& difference,
                                   const CrossedOptions& options = {});
// The same of the mean, from the same resamples.
BootstrapInterval CrossedBootstrap(const SeedsByImages& differences,
                                   const CrossedOptions& options = {});
// Of many recipes, all of one shape: each as above, but a resample is drawn once for all.
std::vector<BootstrapInterval> CrossedBootstraps(const std::vector<SeedsByImages>& differences,
                                                 const CrossedOptions& options = {});

// The variance that these resamples' mean has, in closed form.
double PigeonholeVariance(const SeedsByImages& differences);

// Resample b of the options: indices in [0, seeds) and [0, images).
struct CrossedResample {
  std::vector<int64_t> seeds, images;
};
CrossedResample DrawCrossed(int64_t seeds, int64_t images, const CrossedOptions& options,
                            int64_t b);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_CROSSED_H_
