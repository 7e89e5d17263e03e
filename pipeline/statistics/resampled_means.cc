// Means of many recipes over crossed resamples.
#include "pipeline/statistics/resampled_means.h"

#include <cstdlib>

namespace pipeline {

ResampledMeans::ResampledMeans(const std::vector<SeedsByImages>& values) {
  if (values.empty() || values[0].empty() || values[0][0].empty()) std::abort();
  seeds_ = static_cast<int64_t>(values[0].size());
  images_ = static_cast<int64_t>(values[0][0].size());
  for (const SeedsByImages& recipe : values) {
    if (static_cast<int64_t>(recipe.size()) != seeds_) std::abort();
    auto& rows = rows_.emplace_back();
    for (const std::vector<double>& row : recipe) {
      if (static_cast<int64_t>(row.size()) != images_) std::abort();
      std::vector<Cell>& cells = rows.emplace_back();
      for (int32_t i = 0; i < images_; ++i) {
        if (row[i] != 0) cells.push_back({i, row[i]});
      }
    }
  }
}

std::vector<double> ResampledMeans::Means(const CrossedOptions& options, int64_t b) const {
  const CrossedResample drawn = DrawCrossed(seeds_, images_, options, b);
  std::vector<double> seeds(seeds_), images(images_);
  for (const int64_t s : drawn.seeds) ++seeds[s];
  for (const int64_t i : drawn.images) ++images[i];
  return Weighted(seeds, images);
}

std::vector<double> ResampledMeans::Means() const {
  return Weighted(std::vector<double>(seeds_, 1), std::vector<double>(images_, 1));
}

std::vector<double> ResampledMeans::Weighted(const std::vector<double>& seeds,
                                             const std::vector<double>& images) const {
  std::vector<double> means;
  for (const auto& rows : rows_) {
    double sum = 0;
    for (int64_t s = 0; s < seeds_; ++s) {
      if (seeds[s] == 0) continue;
      double row = 0;
      for (const Cell& cell : rows[s]) row += images[cell.image] * cell.value;
      sum += seeds[s] * row;
    }
    means.push_back(sum / static_cast<double>(seeds_ * images_));
  }
  return means;
}

}  // namespace pipeline
