// McNemar's test and the paired bootstrap.
#include "pipeline/statistics/paired.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "pipeline/statistics/normal.h"
#include "pipeline/statistics/probabilities.h"

namespace pipeline {
namespace {

// P(Binomial(m, 1/2) = k).
double FairBinomial(int64_t k, int64_t m) {
  const double n = static_cast<double>(m), x = static_cast<double>(k);
  return std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) - n * M_LN2);
}

// The quantile of ascending values at any share, type 7.
double QuantileAt(const std::vector<double>& ascending, double share) {
  const double rank = share * static_cast<double>(ascending.size() - 1);
  const size_t low = static_cast<size_t>(rank);
  const size_t high = std::min(low + 1, ascending.size() - 1);
  return ascending[low] + (rank - static_cast<double>(low)) * (ascending[high] - ascending[low]);
}

double StandardDeviation(const std::vector<double>& values) {
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

class Bootstrap {
 public:
  Bootstrap(int64_t samples, const DifferenceOn& difference, const BootstrapOptions& options)
      : difference_(difference), options_(options), all_(samples) {
    std::iota(all_.begin(), all_.end(), 0);
    strata_ = options.strata;
    if (strata_.empty()) strata_ = {all_};
    size_t in_strata = 0;
    for (const auto& stratum : strata_) in_strata += stratum.size();
    const bool level = options.level > 0 && options.level < 1;
    if (in_strata != all_.size() || options.resamples < 1 || !level) std::abort();
  }

  BootstrapInterval Interval() {
    BootstrapInterval result;
    result.difference = all_.empty() ? NAN : difference_(all_);
    if (std::isnan(result.difference)) return {NAN, NAN, NAN, NAN};
    differences_ = Resampled();
    result.standard_error = StandardDeviation(differences_);
    result.low = result.high = NAN;
    if (std::isnan(Mean(differences_))) return result;
    std::sort(differences_.begin(), differences_.end());
    double low = (1 - options_.level) / 2, high = (1 + options_.level) / 2;
    if (options_.kind == IntervalKind::kBca) Correct(result.difference, &low, &high);
    if (std::isnan(low) || std::isnan(high)) return result;
    result.low = QuantileAt(differences_, low);
    result.high = QuantileAt(differences_, high);
    return result;
  }

 private:
  std::vector<double> Resampled() const {
    std::vector<double> differences(options_.resamples);
    std::vector<int64_t> drawn(all_.size());
    for (int64_t b = 0; b < options_.resamples; ++b) {
      PhiloxStream stream(options_.key, b);
      size_t filled = 0;
      for (const std::vector<int64_t>& stratum : strata_) {
        const int64_t size = static_cast<int64_t>(stratum.size());
        for (int64_t i = 0; i < size; ++i) drawn[filled++] = stratum[stream.Below(size)];
      }
      differences[b] = difference_(drawn);
    }
    return differences;
  }

  // Moves the shares at which the interval's ends are read off.
  void Correct(double difference, double* low, double* high) const {
    // Sums of the same numbers in another order are equal but for rounding.
    const double near = 1e-12 * std::max(1.0, std::abs(difference));
    const auto below =
        std::lower_bound(differences_.begin(), differences_.end(), difference - near) -
        differences_.begin();
    const auto upto =
        std::upper_bound(differences_.begin(), differences_.end(), difference + near) -
        differences_.begin();
    const double z0 = NormalQuantile(static_cast<double>(below + upto) /
                                     (2 * static_cast<double>(differences_.size())));
    const double a = Acceleration();
    for (double* share : {low, high}) {
      const double z = z0 + NormalQuantile(*share);
      *share = NormalCdf(z0 + z / (1 - a * z));
    }
  }

  double Acceleration() const {
    std::vector<double> left_out;
    std::vector<int64_t> others(all_.begin() + 1, all_.end());
    for (size_t i = 0; i < all_.size(); ++i) {
      left_out.push_back(others.empty() ? NAN : difference_(others));
      if (i < others.size()) others[i] = static_cast<int64_t>(i);
    }
    const double mean = Mean(left_out);
    double squares = 0, cubes = 0;
    for (const double value : left_out) {
      const double u = mean - value;
      squares += u * u;
      cubes += u * u * u;
    }
    return squares == 0 ? 0 : cubes / (6 * std::pow(squares, 1.5));
  }

  const DifferenceOn& difference_;
  const BootstrapOptions& options_;
  std::vector<int64_t> all_;
  std::vector<std::vector<int64_t>> strata_;
  std::vector<double> differences_;
};

}  // namespace

McNemar McNemarTest(int64_t only_first, int64_t only_second) {
  if (only_first < 0 || only_second < 0) std::abort();
  McNemar test{only_first, only_second};
  const int64_t least = std::min(only_first, only_second), m = only_first + only_second;
  if (m == 0) return test;
  const double own = FairBinomial(least, m);
  if (only_first == only_second) {
    test.mid_p = 1 - own / 2;
    return test;
  }
  double tail = 0;
  for (int64_t k = 0; k <= least; ++k) tail += FairBinomial(k, m);
  test.exact = std::min(1.0, 2 * tail);
  test.mid_p = 2 * tail - own;
  return test;
}

McNemar McNemarTest(const std::vector<bool>& first, const std::vector<bool>& second) {
  if (first.size() != second.size()) std::abort();
  int64_t only_first = 0, only_second = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    only_first += first[i] && !second[i];
    only_second += second[i] && !first[i];
  }
  return McNemarTest(only_first, only_second);
}

BootstrapInterval PairedBootstrap(int64_t samples, const DifferenceOn& difference,
                                  const BootstrapOptions& options) {
  if (samples < 0) std::abort();
  return Bootstrap(samples, difference, options).Interval();
}

BootstrapInterval PairedBootstrap(const std::vector<double>& first,
                                  const std::vector<double>& second,
                                  const BootstrapOptions& options) {
  if (first.size() != second.size()) std::abort();
  std::vector<double> differences;
  for (size_t i = 0; i < first.size(); ++i) differences.push_back(second[i] - first[i]);
  const auto mean = [&differences](const std::vector<int64_t>& samples) {
    double sum = 0;
    for (const int64_t i : samples) sum += differences[i];
    return sum / static_cast<double>(samples.size());
  };
  return PairedBootstrap(static_cast<int64_t>(first.size()), mean, options);
}

}  // namespace pipeline
