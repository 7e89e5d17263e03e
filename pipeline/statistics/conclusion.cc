// The decision table of a study's conclusions, and its sentences.
#include "pipeline/statistics/conclusion.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace pipeline {
namespace {

std::string Fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  // No "-0.0".
  const std::string result = text;
  return result.find_first_not_of("-0.") == std::string::npos && result[0] == '-' ? result.substr(1)
                                                                                  : result;
}

// Numbers of one sentence in points, with as many decimals, up to 3, as keep each of them from
// reading as 0.
class Points {
 public:
  explicit Points(const std::vector<double>& scores) {
    for (const double score : scores) {
      while (decimals_ < 3 && score != 0 &&
             std::abs(score) * 100 < 0.5 * std::pow(10.0, -decimals_)) {
        ++decimals_;
      }
    }
  }
  std::string operator()(double score) const { return Fixed(100 * score, decimals_); }
  std::string operator()(const DifferenceInterval& interval) const {
    return (*this)(interval.low) + " to " + (*this)(interval.high);
  }

 private:
  int decimals_ = 1;
};

std::string Count(int64_t count, const std::string& one, const std::string& many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string Comparisons(int64_t family) { return Count(family, "comparison", "comparisons"); }

// The same comparison with the better recipe first.
Comparison BetterFirst(Comparison c) {
  if (!(c.difference < 0)) return c;
  std::swap(c.first, c.second);
  std::swap(c.signs.positive, c.signs.negative);
  c.difference = -c.difference;
  c.alone = {-c.alone.high, -c.alone.low};
  c.adjusted = {-c.adjusted.high, -c.adjusted.low};
  return c;
}

std::string OfLeak(const Comparison& c) {
  const std::string what =
      c.leaked == 1 ? " test image is also in training." : " test images are also in training.";
  const std::string rest = c.without_leak.empty() ? "" : " After removing them: " + c.without_leak;
  return "Not judged: " + std::to_string(c.leaked) + what + rest;
}

std::string OfCollapse(const Comparison& c) {
  std::string sentences;
  for (const Collapsed& run : c.collapsed) {
    const bool of_majority = std::abs(run.mean - run.majority) <= 0.02;
    sentences += sentences.empty() ? "" : " ";
    sentences += run.name + " answered one class in " + std::to_string(run.seeds) + " of " +
                 Count(run.of, "seed", "seeds") + "; its mean " + Fixed(run.mean, 2) +
                 (of_majority ? " is the majority share " + Fixed(run.majority, 2) + " and" : "") +
                 " is not compared.";
  }
  return sentences;
}

std::string OfUnfinished(const Unfinished& run) {
  const std::string epochs =
      " after " + std::to_string(run.epochs) + " of " + Count(run.of, "epoch", "epochs");
  if (!run.error.empty())
    return run.name + " failed" + epochs + " (" + run.error + "): no test value.";
  const std::string rank = run.rank > 0 ? " (rank " + std::to_string(run.rank) + " of " +
                                              std::to_string(run.ranked) + " by VAL)"
                                        : "";
  return run.name + " was stopped" + epochs + rank + ": no test value.";
}

std::string OfFewSeeds(const Comparison& c) {
  const Points points({c.difference, c.alone.low, c.alone.high});
  const std::string seeds = c.seeds == 1 ? "One seed: " : "Two seeds: ";
  const std::string what =
      c.difference == 0 ? c.first + " and " + c.second + " score the same"
                        : c.first + " is " + points(c.difference) + " points above " + c.second;
  return seeds + what + " on these images (CI " + points(c.alone) +
         "); nothing is said about retraining.";
}

std::string OfShown(const Comparison& c) {
  const Points points({c.difference, c.adjusted.low, c.adjusted.high});
  return c.first + " beats " + c.second + " by " + points(c.difference) + " points of " + c.metric +
         " (" + points(c.adjusted) + ", " + Comparisons(c.family) + ", " + std::to_string(c.seeds) +
         " seeds x " + std::to_string(c.images) + " images); " + std::to_string(c.signs.positive) +
         " of " + std::to_string(c.seeds) + " seeds agree.";
}

std::string OfEqual(const Comparison& c) {
  return c.first + " and " + c.second + " are at most " + Points({c.rope})(c.rope) +
         " points apart (ROPE set before the run).";
}

std::string OfNotCorrected(const Comparison& c) {
  const bool known = c.candidates > 1 && c.optimism > 0;
  const Points points({c.difference, c.alone.low, c.alone.high, known ? c.optimism : 1});
  const std::string best = known ? ", and the best of " + std::to_string(c.candidates) +
                                       " equal recipes would show " + points(c.optimism)
                                 : "";
  return c.first + " against " + c.second + ": " + points(c.difference) +
         " points alone looks real (" + points(c.alone) + "), but not after " +
         Comparisons(c.family) + best + "; not shown.";
}

std::string OfNone(const Comparison& c, bool excludes_zero) {
  const std::string start = "No difference shown between " + c.first + " and " + c.second;
  if (std::isnan(c.adjusted.low) || std::isnan(c.adjusted.high)) {
    return start + ": the runs allow no interval.";
  }
  const double most = std::max(std::abs(c.adjusted.low), std::abs(c.adjusted.high));
  const std::string bound =
      "differences up to " + Points({most})(most) + " points cannot be excluded.";
  if (excludes_zero) {
    return start + ": only " + std::to_string(c.signs.positive) + " of " + std::to_string(c.seeds) +
           " seeds favour " + c.first + "; " + bound;
  }
  return start + " (" + c.adjustment + ", " + Comparisons(c.family) + "); " + bound;
}

}  // namespace

std::string NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kLeak:
      return "leak";
    case Verdict::kCollapsed:
      return "collapsed";
    case Verdict::kNotFinished:
      return "not finished";
    case Verdict::kTooFewSeeds:
      return "too few seeds";
    case Verdict::kShown:
      return "shown";
    case Verdict::kEqualInPractice:
      return "equal in practice";
    case Verdict::kNotAfterCorrection:
      return "not after correction";
    case Verdict::kNoDifferenceShown:
      return "no difference shown";
  }
  std::abort();
}

Conclusion Conclude(const Comparison& comparison) {
  if (comparison.leaked > 0) return {Verdict::kLeak, OfLeak(comparison)};
  if (!comparison.collapsed.empty()) return {Verdict::kCollapsed, OfCollapse(comparison)};
  if (comparison.unfinished) {
    return {Verdict::kNotFinished, OfUnfinished(*comparison.unfinished)};
  }
  if (comparison.seeds < 1 || comparison.images < 1 || comparison.family < 1) std::abort();
  const Comparison c = BetterFirst(comparison);
  if (c.seeds <= 2) return {Verdict::kTooFewSeeds, OfFewSeeds(c)};
  const bool excludes_zero = c.adjusted.low > 0;
  if (excludes_zero && c.signs.positive == c.seeds) return {Verdict::kShown, OfShown(c)};
  if (c.rope > 0 && c.adjusted.low >= -c.rope && c.adjusted.high <= c.rope) {
    return {Verdict::kEqualInPractice, OfEqual(c)};
  }
  if (c.alone.low > 0 && !excludes_zero) {
    return {Verdict::kNotAfterCorrection, OfNotCorrected(c)};
  }
  return {Verdict::kNoDifferenceShown, OfNone(c, excludes_zero)};
}

std::string NoneDiffers(const std::vector<Comparison>& family) {
  if (family.empty()) std::abort();
  double most = 0;
  for (const Comparison& c : family) {
    if (c.second != family[0].second) std::abort();
    most = std::fmax(most, c.adjusted.high);
  }
  const Comparison* above = nullptr;  // by its interval, though not by every seed
  for (const Comparison& c : family) {
    const bool higher = above == nullptr || c.difference > above->difference;
    if (c.adjusted.low > 0 && higher) above = &c;
  }
  if (above != nullptr) {
    const Points points({above->difference, above->adjusted.low, above->adjusted.high});
    return "No recipe is shown to beat " + family[0].second + " on this data: " + above->first +
           " is " + points(above->difference) + " points above it (" + points(above->adjusted) +
           ", " + Comparisons(above->family) + "), but only " +
           std::to_string(above->signs.positive) + " of " + std::to_string(above->seeds) +
           " seeds agree.";
  }
  return "No recipe beat " + family[0].second + " on this data at p < 0.05 (" +
         family[0].adjustment + ", " + std::to_string(family[0].family) + "); differences up to " +
         Points({most})(most) + " points cannot be excluded.";
}

std::string AlwaysAdded(const Circumstances& c) {
  std::string text = "Level: " + c.level + "; " + c.metric + " on " +
                     Count(c.images, "image", "images") + ", " + Count(c.seeds, "seed", "seeds") +
                     ", " + Comparisons(c.family) + "; signs of so many seeds cannot go below p = ";
  char p[32];
  std::snprintf(p, sizeof p, "%.4g", SmallestSignP(c.seeds));
  text += std::string(p) + ".";
  if (!c.chosen_by_validation.empty()) text += " Chosen by VAL: " + c.chosen_by_validation + ".";
  if (!std::isnan(c.optimism)) {
    text +=
        " Choosing by TEST would promise " + Points({c.optimism})(c.optimism) + " points too much.";
  }
  return text + " The most frequent class alone scores " + Fixed(c.majority, 2) +
         ". Differences below about " + Points({c.detectable})(c.detectable) +
         " points would not have been seen.";
}

}  // namespace pipeline
