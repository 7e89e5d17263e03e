// One page over several runs: what differs in what they were asked, in what came of it, and whether
// that could be chance.
#ifndef PIPELINE_REPORT_COMPARISON_H_
#define PIPELINE_REPORT_COMPARISON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/report/page.h"
#include "pipeline/report/record.h"
#include "pipeline/statistics/paired.h"

namespace pipeline {

// Whether two runs can be compared image by image.
struct SharedTest {
  int64_t shared = 0;                       // images that both judged, under one path and label
  int64_t only_first = 0, only_second = 0;  // all others
  // TEST of one among TRAIN of the other but not among its own, by content (or path, where it is
  // not known).
  int64_t first_trained_on = 0, second_trained_on = 0;
  // Why not, in words; empty where they can.
  std::vector<std::string> reasons;
};
SharedTest SharedTestOf(const RunRecord& first, const RunRecord& second);

// Second minus first, over the images that both judged.
struct PairDifference {
  std::string score;  // "accuracy", "macro F1", "mean IoU of an image"
  BootstrapInterval interval;
};
struct PairResult {
  size_t first = 0, second = 0;  // of the runs
  SharedTest test;
  std::vector<PairDifference> differences;
  McNemar mcnemar;  // of images that have a class
  bool has_mcnemar = false;
  double adjusted = 1;  // its mid-p by Holm over all pairs of the page
};

// Each run against the first; all pairs where there are at most five.
std::vector<PairResult> PairsOf(const std::vector<RunRecord>& runs);

// The runs' scores with intervals, and the pairs' differences (second minus first), as JSON.
std::string ComparisonText(const std::vector<RunRecord>& runs);

// Of at least two runs. Gives runs of equal names longer ones.
Page ComparisonPage(std::vector<RunRecord> runs);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_COMPARISON_H_
