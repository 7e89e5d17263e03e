// What a study may say of two recipes, in words.
#ifndef PIPELINE_STATISTICS_CONCLUSION_H_
#define PIPELINE_STATISTICS_CONCLUSION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/statistics/wilcoxon.h"

namespace pipeline {

// In the order in which they are asked: the first that holds is the verdict.
enum class Verdict {
  kLeak,
  kCollapsed,
  kNotFinished,
  kTooFewSeeds,
  kShown,
  kEqualInPractice,
  kNotAfterCorrection,
  kNoDifferenceShown,
};
// Such as "equal in practice".
std::string NameOf(Verdict verdict);

// All differences are first minus second, of a score in [0, 1]; words give points, a hundredth.
struct DifferenceInterval {
  double low = 0, high = 0;
};

// A recipe of which some seeds answer one class only (HasCollapsed).
struct Collapsed {
  std::string name;
  int64_t seeds = 0, of = 0;
  double mean = 0;      // its score
  double majority = 0;  // share of the most frequent class in TEST
};

// A run that was stopped by halving, or failed.
struct Unfinished {
  std::string name;
  int64_t epochs = 0, of = 0;
  int64_t rank = 0, ranked = 0;  // by VAL when stopped; 0: not known
  std::string error;             // not empty: it failed
};

struct Comparison {
  std::string first, second;  // recipes' names; the second is the comparator, chosen by VAL
  std::string metric;         // "accuracy"
  int64_t seeds = 0, images = 0;

  int64_t leaked = 0;        // test images that are also in training
  std::string without_leak;  // what is found without them; may be empty
  std::vector<Collapsed> collapsed;
  std::optional<Unfinished> unfinished;

  double difference = 0;
  DifferenceInterval alone;     // CrossedInterval::Main, not adjusted
  DifferenceInterval adjusted;  // for the family
  Signs signs;                  // of the seeds' differences
  int64_t family = 1;           // comparisons fixed before the run
  std::string adjustment = "Holm";
  double rope = 0;  // set before the run; 0: none
  // What the best of `candidates` recipes of equal worth would show (OptimismOfBest).
  int64_t candidates = 0;
  double optimism = 0;
};

struct Conclusion {
  Verdict verdict = Verdict::kNoDifferenceShown;
  std::string sentence;
};
Conclusion Conclude(const Comparison& comparison);

// Where none of a family differs from the comparator: one sentence for all. At least one, with the
// same comparator, else abort.
std::string NoneDiffers(const std::vector<Comparison>& family);

// What is always printed with conclusions.
struct Circumstances {
  std::string level;  // "these trained networks, new images", ...
  std::string metric;
  int64_t images = 0, seeds = 0, family = 0;
  std::string chosen_by_validation;  // the recipe's name; empty: none
  double optimism = 0;               // of that choice (NestedSelection); NaN: not known
  double majority = 0;               // accuracy of the most frequent class
  double detectable = 0;             // DetectableDifference
};
std::string AlwaysAdded(const Circumstances& circumstances);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_CONCLUSION_H_
