// Wilcoxon's signed rank test of one difference per seed, and how many seeds agree.
#ifndef PIPELINE_STATISTICS_WILCOXON_H_
#define PIPELINE_STATISTICS_WILCOXON_H_

#include <cstdint>
#include <vector>

namespace pipeline {

// Are the differences centred at 0 (and symmetric)? Not for answers of single images (McNemar) nor
// for seeds of several datasets together.
struct Wilcoxon {
  int64_t used = 0;                   // differences that are not zero: n
  double positive = 0, negative = 0;  // sums of the mean ranks of |difference| by sign
  // Two-sided, exact: all 2^n patterns of signs are equally likely. 1 where n is 0.
  double p = 1;
  // What p would be if all signs were equal, 2^(1 - n): print it beside p, as with 3 to 5 seeds it
  // is above 0.05.
  double smallest_p = 1;
};
// Differences are rounded to 1e-12 first, since 0.3 - 0.2 and 0.2 - 0.1 are ties. For seeds: the
// cost grows as n^3. NaN aborts.
Wilcoxon WilcoxonSignedRank(const std::vector<double>& differences);

// The smallest two-sided p of a test of signs of n pairs, 2^(1 - n), at most 1: that of Wilcoxon's
// test over n seeds and of McNemar's over n images on which two networks differ.
double SmallestSignP(int64_t n);
// The least n with which Holm's first step over `family` >= 1 such tests can reach `alpha` in (0,
// 1).
int64_t LeastPairsFor(int64_t family, double alpha = 0.05);

struct Signs {
  int64_t positive = 0, negative = 0, zero = 0;
  bool operator==(const Signs&) const = default;
};
Signs SignsOf(const std::vector<double>& differences);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_WILCOXON_H_
