// Labels in doubt by confident learning (Northcutt et al. 2021), as cleanlab 2.9.0 finds them:
// which to look at first, never which to delete unseen.
#ifndef PIPELINE_STATISTICS_LABEL_ISSUES_H_
#define PIPELINE_STATISTICS_LABEL_ISSUES_H_

#include <cstdint>
#include <vector>

#include "pipeline/statistics/probabilities.h"

namespace pipeline {

// Probabilities must be out of fold (folds by group: a copy in training hides an error), one label
// an image, at least one image and two classes, no NaN; else abort.

// [given][likely] counts.
using LabelCounts = std::vector<std::vector<int64_t>>;

struct ConfidentJoint {
  std::vector<double>
      thresholds;          // by class: mean probability of it over its images; 2 without any
  LabelCounts counted;     // images sure of a class, by given and that class; diagonal >= 1
  LabelCounts calibrated;  // scaled so that rows sum to the images given, in whole numbers
};
ConfidentJoint ConfidentJointOf(const Probabilities& probabilities, const std::vector<int>& labels);

// How well each label fits; low is suspicious.
enum class LabelScore {
  kSelfConfidence,    // the given class's probability
  kNormalizedMargin,  // (it minus the highest other + 1) / 2
};
// `adjusted`: each column first minus its threshold plus the highest one, rows summing to 1 again,
// so that classes of which the model is seldom sure are not all in doubt.
std::vector<double> LabelScores(const Probabilities& probabilities, const std::vector<int>& labels,
                                LabelScore score = LabelScore::kSelfConfidence,
                                bool adjusted = false);

enum class LabelFilter {
  kPruneByNoiseRate,   // of each given and likely class as many as were counted, by margin
  kPruneByClass,       // of each given class as many as were counted off the diagonal, by its
                       // own probability
  kBoth,               // in both
  kConfidentLearning,  // the images off the diagonal
};
// Images whose label is in doubt, the most suspicious first (ties by index). Never one whose given
// class is the most likely one.
std::vector<int64_t> LabelIssues(const Probabilities& probabilities, const std::vector<int>& labels,
                                 LabelFilter filter = LabelFilter::kPruneByNoiseRate,
                                 LabelScore ranked_by = LabelScore::kSelfConfidence);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_LABEL_ISSUES_H_
