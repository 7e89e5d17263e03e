// Means of many recipes over the same crossed resamples, fast.
#ifndef PIPELINE_STATISTICS_RESAMPLED_MEANS_H_
#define PIPELINE_STATISTICS_RESAMPLED_MEANS_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/crossed.h"

namespace pipeline {

// Keeps what is not zero only: of differences of right answers that is one in ten, so that 63
// recipes of 10 seeds and 1,000 images cost a tenth of a millisecond a resample.
class ResampledMeans {
 public:
  // [recipe][seed][image], at least one recipe, all of one shape, else abort.
  explicit ResampledMeans(const std::vector<SeedsByImages>& values);

  int64_t recipes() const { return static_cast<int64_t>(rows_.size()); }

  // The mean of each recipe over resample b of the options: sums in the order of seeds, then of
  // images, so that those of whole numbers are exact.
  std::vector<double> Means(const CrossedOptions& options, int64_t b) const;
  // Over all seeds and images.
  std::vector<double> Means() const;

 private:
  struct Cell {
    int32_t image;
    double value;
  };
  std::vector<double> Weighted(const std::vector<double>& seeds,
                               const std::vector<double>& images) const;

  int64_t seeds_, images_;
  std::vector<std::vector<std::vector<Cell>>> rows_;  // [recipe][seed]
};

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_RESAMPLED_MEANS_H_
