// Crossed analysis of variance and the pigeonhole bootstrap.
#include "pipeline/statistics/crossed.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "pipeline/statistics/distributions.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/probabilities.h"
#include "pipeline/statistics/resampled_means.h"

namespace pipeline {
namespace {

constexpr MeanInterval kNothing = {NAN, NAN, NAN, NAN};

// Sums of squares about the means.
struct Squares {
  double mean = 0;
  double seeds = 0;   // of the rows' means
  double images = 0;  // of the columns' means
  double error = 0;   // of what neither explains
};

Squares SquaresOf(const SeedsByImages& d) {
  const size_t images = d.empty() ? 0 : d[0].size();
  if (images == 0) std::abort();
  std::vector<double> rows, columns(images);
  for (const std::vector<double>& row : d) {
    if (row.size() != images) std::abort();
    rows.push_back(Mean(row));
    for (size_t i = 0; i < images; ++i) columns[i] += row[i];
  }
  for (double& column : columns) column /= static_cast<double>(d.size());
  Squares result;
  result.mean = Mean(columns);
  const auto add = [](double* sum, double x) { *sum += x * x; };
  for (const double row : rows) add(&result.seeds, row - result.mean);
  for (const double column : columns) add(&result.images, column - result.mean);
  for (size_t s = 0; s < d.size(); ++s) {
    for (size_t i = 0; i < images; ++i) {
      add(&result.error, d[s][i] - rows[s] - columns[i] + result.mean);
    }
  }
  return result;
}

MeanInterval Around(double mean, double variance, double degrees, double level) {
  if (!(degrees > 0) || !(variance >= 0)) return kNothing;
  const double half = StudentQuantile((1 + level) / 2, degrees) * std::sqrt(variance);
  return {variance, degrees, mean - half, mean + half};
}

}  // namespace

const MeanInterval& CrossedInterval::Main() const {
  if (main_level == Level::kBoth) return both;
  return main_level == Level::kImages ? images : seeds;
}

CrossedInterval CrossedAnova(const SeedsByImages& differences, double level) {
  if (!(level > 0 && level < 1)) std::abort();
  const Squares squares = SquaresOf(differences);
  const double s = static_cast<double>(differences.size());
  const double n = static_cast<double>(differences[0].size());
  CrossedInterval result;
  result.mean = squares.mean;
  // With one seed or one image 0 / 0 is NaN, as it should be.
  const double of_seeds = result.seed_squares = n * squares.seeds / (s - 1);
  const double of_images = result.image_squares = s * squares.images / (n - 1);
  const double of_error = result.error_squares = squares.error / ((s - 1) * (n - 1));
  result.images = Around(squares.mean, of_images / (s * n), n - 1, level);
  result.seeds = Around(squares.mean, of_seeds / (s * n), s - 1, level);
  const double sum = of_seeds + of_images - of_error;
  const double satterthwaite = sum * sum /
                               (of_seeds * of_seeds / (s - 1) + of_images * of_images / (n - 1) +
                                of_error * of_error / ((s - 1) * (n - 1)));
  const double degrees = std::max(satterthwaite, std::min(s, n) - 1);
  result.both = sum > 0 ? Around(squares.mean, sum / (s * n), degrees, level) : kNothing;
  double widest = -1;
  for (const Level candidate : {Level::kBoth, Level::kImages, Level::kSeeds}) {
    const Level before = result.main_level;
    result.main_level = candidate;
    const double width = result.Main().high - result.Main().low;
    if (width > widest) {
      widest = width;
    } else {
      result.main_level = before;
    }
  }
  return result;
}

CrossedResample DrawCrossed(int64_t seeds, int64_t images, const CrossedOptions& options,
                            int64_t b) {
  CrossedResample drawn;
  PhiloxStream of_seeds(options.seeds, b), of_images(options.images, b);
  for (int64_t s = 0; s < seeds; ++s) drawn.seeds.push_back(of_seeds.Below(seeds));
  for (int64_t i = 0; i < images; ++i) drawn.images.push_back(of_images.Below(images));
  return drawn;
}

BootstrapInterval CrossedBootstrap(int64_t seeds, int64_t images,
                                   const DifferenceOnCrossed& difference,
                                   const CrossedOptions& options) {
  if (seeds < 1 || images < 1 || options.resamples < 1) std::abort();
  CrossedResample all{std::vector<int64_t>(seeds), std::vector<int64_t>(images)};
  std::iota(all.seeds.begin(), all.seeds.end(), 0);
  std::iota(all.images.begin(), all.images.end(), 0);
  const double own = difference(all.seeds, all.images);
  std::vector<double> resampled(options.resamples);
  for (int64_t b = 0; b < options.resamples; ++b) {
    const CrossedResample drawn = DrawCrossed(seeds, images, options, b);
    resampled[b] = difference(drawn.seeds, drawn.images);
  }
  const Spread spread = SpreadOf(resampled, options.level);
  return {own, spread.low, spread.high, spread.deviation};
}

std::vector<BootstrapInterval> CrossedBootstraps(const std::vector<SeedsByImages>& differences,
                                                 const CrossedOptions& options) {
  if (options.resamples < 1) std::abort();
  const ResampledMeans means(differences);
  std::vector<std::vector<double>> resampled(differences.size());
  for (int64_t b = 0; b < options.resamples; ++b) {
    const std::vector<double> drawn = means.Means(options, b);
    for (size_t j = 0; j < drawn.size(); ++j) resampled[j].push_back(drawn[j]);
  }
  const std::vector<double> own = means.Means();
  std::vector<BootstrapInterval> intervals;
  for (size_t j = 0; j < own.size(); ++j) {
    const Spread spread = SpreadOf(std::move(resampled[j]), options.level);
    intervals.push_back({own[j], spread.low, spread.high, spread.deviation});
  }
  return intervals;
}

BootstrapInterval CrossedBootstrap(const SeedsByImages& differences,
                                   const CrossedOptions& options) {
  return CrossedBootstraps({differences}, options)[0];
}

double PigeonholeVariance(const SeedsByImages& differences) {
  const Squares squares = SquaresOf(differences);
  const double s = static_cast<double>(differences.size());
  const double n = static_cast<double>(differences[0].size());
  return squares.error / (s * n * s * n) + squares.seeds / (s * s) + squares.images / (n * n);
}

}  // namespace pipeline
