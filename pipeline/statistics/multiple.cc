// Holm, Benjamini and Hochberg, and the greatest t of a family.
#include "pipeline/statistics/multiple.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "pipeline/statistics/distributions.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/statistics/resampled_means.h"

namespace pipeline {
namespace {

std::vector<size_t> AscendingOrder(const std::vector<double>& p) {
  for (const double value : p) {
    if (!(value <= 1)) std::abort();
  }
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&p](size_t a, size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> HolmAdjusted(const std::vector<double>& p) {
  const std::vector<size_t> order = AscendingOrder(p);
  std::vector<double> adjusted(p.size());
  double most = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    most = std::max(most, static_cast<double>(order.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(1.0, most);
  }
  return adjusted;
}

std::vector<double> BenjaminiHochbergAdjusted(const std::vector<double>& p) {
  const std::vector<size_t> order = AscendingOrder(p);
  std::vector<double> adjusted(p.size());
  double least = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const double share = static_cast<double>(order.size()) / static_cast<double>(i + 1);
    least = std::min(least, share * p[order[i]]);
    adjusted[order[i]] = least;
  }
  return adjusted;
}

double FamilyLevel(double level, int64_t family) {
  if (!(level > 0 && level < 1) || family < 1) std::abort();
  return 1 - (1 - level) / static_cast<double>(family);
}

double TNeeded(int64_t family, double degrees, double level) {
  return -StudentQuantile((1 - FamilyLevel(level, family)) / 2, degrees);
}

MaxT MaxTIntervals(const std::vector<SeedsByImages>& differences, const CrossedOptions& options) {
  if (options.resamples < 1) std::abort();
  const ResampledMeans means(differences);
  const std::vector<double> own = means.Means();
  MaxT result;
  bool any = false;
  for (size_t j = 0; j < own.size(); ++j) {
    const double error = std::sqrt(PigeonholeVariance(differences[j]));
    result.intervals.push_back({own[j], Comparable(error) == 0 ? 0 : error, own[j], own[j], NAN});
    any = any || Comparable(error) != 0;
  }
  result.critical = NAN;
  if (!any) return result;

  std::vector<double> greatest(options.resamples);
  for (int64_t b = 0; b < options.resamples; ++b) {
    const std::vector<double> resampled = means.Means(options, b);
    for (size_t j = 0; j < own.size(); ++j) {
      const double error = result.intervals[j].standard_error;
      if (error == 0) continue;
      greatest[b] = std::max(greatest[b], std::abs(resampled[j] - own[j]) / error);
    }
  }
  result.critical = QuantileOf(greatest, options.level);
  for (SimultaneousInterval& interval : result.intervals) {
    if (interval.standard_error == 0) continue;
    const double half = result.critical * interval.standard_error;
    interval.low = interval.difference - half;
    interval.high = interval.difference + half;
    const double own_t = std::abs(interval.difference) / interval.standard_error;
    const auto beyond = std::count_if(greatest.begin(), greatest.end(), [own_t](double t) {
      return Comparable(t) >= Comparable(own_t);
    });
    interval.p = static_cast<double>(1 + beyond) / static_cast<double>(1 + options.resamples);
  }
  return result;
}

}  // namespace pipeline
