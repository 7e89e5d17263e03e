// What a study's runs show: plain numbers, from which its page and its tables are made. Everything
// but `seconds` depends on the plan, the results and the predictions alone.
#ifndef PIPELINE_STUDIES_ANALYSIS_H_
#define PIPELINE_STUDIES_ANALYSIS_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/statistics/conclusion.h"
#include "pipeline/statistics/crossed.h"
#include "pipeline/statistics/halving.h"
#include "pipeline/statistics/multiple.h"
#include "pipeline/statistics/paired.h"
#include "pipeline/statistics/probabilities.h"
#include "pipeline/statistics/ranks.h"
#include "pipeline/statistics/selection.h"
#include "pipeline/statistics/t_tests.h"
#include "pipeline/statistics/wilcoxon.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"

namespace pipeline {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// A number over the seeds that have it.
struct OverSeeds {
  int64_t count = 0;
  double mean = kUnknown;
  double deviation = kUnknown;  // divisor count - 1; NaN of fewer than two
};
OverSeeds Over(const std::vector<double>& values);

// The interval that a study's claims rest on: the widest of those over images, over seeds and over
// both, cut to what a difference can be; NaN where there is none.
MeanInterval MainOf(const CrossedInterval& interval);
// The largest p of the intervals that MainOf takes.
double MainP(const CrossedInterval& interval);

// A combination in a config, in one stage.
struct StudyCell {
  // Runs; with folds each fold is one.
  int64_t asked = 0, done = 0, failed = 0, stopped = 0;
  // Seeds that answer one class only; of `seeds`.
  int64_t collapsed = 0;
  bool asked_for() const { return asked > 0; }
  bool finished() const { return asked > 0 && done == asked; }

  // Those of which every fold is done, in the plan's order. What follows speaks of them: each value
  // of a seed is the mean over its folds.
  std::vector<int64_t> seeds;
  std::vector<double> scores;      // what is compared on TEST, by seed
  std::vector<double> validation;  // Study::select on VAL, by seed
  OverSeeds score, selected;
  OverSeeds accuracy, balanced_accuracy, macro_f1, weighted_precision, weighted_recall, weighted_f1;
  OverSeeds mean_iou, mean_dice;
  OverSeeds loss;  // the run's own total on TEST
  OverSeeds majority;
  OverSeeds seconds;
  // The score by seed and image of ConfigAnalysis::images; a row is empty where that is not known.
  SeedsByImages images;
  // With folds: the score by fold, seeds after one another.
  std::vector<double> folds;

  // Study::select on VAL after each epoch, mean over the runs that came so far, those that were
  // stopped among them.
  std::vector<double> curve;
  std::vector<std::vector<double>> curves;  // of each seed; no folds
  int64_t epochs = 0;                       // most that a run has
  std::string error;                        // of the first run that failed
  // By VAL among all that came as far, best 1; 0 where nothing was stopped.
  int64_t stopped_rank = 0, stopped_among = 0;
};

// A combination minus the baseline.
struct Difference {
  int combination = 0;
  std::vector<int64_t> seeds;   // that both have
  std::vector<double> by_seed;  // in the score
  bool by_image = false;        // what both answered is known, image by image
  // Over seeds and images, or over seeds alone where images are not known; not for folds.
  CrossedInterval alone;
  MeanInterval adjusted;  // at the family's level
  double p = kUnknown;    // two-sided
  double holm = kUnknown;
  std::optional<SimultaneousInterval> max_t;
  std::vector<McNemar> mcnemar;  // of each seed; empty for what is not right or wrong
  Wilcoxon wilcoxon;
  Signs signs;
  std::optional<TTest> over_folds;
  std::optional<FoldsPosterior> posterior;
  Comparison comparison;
  Conclusion conclusion;
  // Where images are in training too: what the others say.
  std::optional<Conclusion> without_leak;
};

// One part of a study in one config.
struct StageAnalysis {
  StudyStage stage = StudyStage::kScreen;
  std::vector<int64_t> seeds;           // asked for
  std::vector<StudyCell> cells;         // by combination
  int baseline = -1;                    // what all are compared to; -1 where nothing is finished
  std::string baseline_reason;          // "the single loss that VAL puts first"
  int chosen = -1;                      // of the screening: what VAL puts first of all
  int64_t family = 0;                   // comparisons that the file fixed
  std::vector<Difference> differences;  // of the family, as far as both are there

  bool asked_for() const;
};

// Of one loss, or of two together.
struct LossEffect {
  std::string name;
  int64_t pairs = 0;  // matched ones
  double effect = kUnknown;
  CrossedInterval interval;
  double p = kUnknown, holm = kUnknown;
};
struct EffectsAnalysis {
  std::string left_out;              // why there is none; "" where there is
  std::vector<LossEffect> matched;   // by loss
  std::vector<LossEffect> additive;  // empty where recipes do not determine it
  std::vector<LossEffect> additive_without_collapsed;
  int64_t collapsed = 0;  // combinations that this leaves out
  std::vector<LossEffect> interactions;
};

struct OptimismAnalysis {
  std::optional<NestedSelection> nested;
  std::optional<SelectionBias> bias;
  std::vector<int> recipes, bias_recipes;  // combinations that they speak of
  double discordant = kUnknown;      // share of images on which two recipes differ, mean over pairs
  double best_of_equals = kUnknown;  // OptimismOfBest
  double detectable = kUnknown;
};

struct HalvingAnalysis {
  std::vector<int64_t> rungs, entering;
  int64_t eta = 0;
  HalvingCost cost;
  std::optional<HalvingReplay> replay;
};

struct LabelDoubt {
  std::string path, given, likely;
  double given_probability = 0, likely_probability = 0;
};

struct ConfigAnalysis {
  std::string name, dataset, task, device, precision;
  bool masks = false, embedded_sample = false;
  std::string metric;  // "accuracy", as people read it
  std::string origin;  // the data's folder
  std::vector<std::string> classes;
  std::vector<std::string> images;  // of TEST (of all folds), by path; empty where not known
  double majority = kUnknown;       // the score of answering the most frequent class
  std::vector<bool> leaked;         // by image: the same content is in training
  int64_t leaks = 0;
  int64_t near_copies = 0;  // groups of near-identical images in training and test
  StageAnalysis screen, confirm;
  OptimismAnalysis optimism;
  EffectsAnalysis effects;
  HalvingAnalysis halving;
  std::string labels_of;           // the combination whose answers judge the labels
  std::vector<LabelDoubt> doubts;  // the most suspicious first
  bool doubts_known = false;
  std::vector<std::string> problems;  // what could not be read, a line each
};

// Over datasets: the first config of each.
struct RanksAnalysis {
  std::string left_out;  // why there is none
  std::vector<int> configs, combinations;
  std::vector<RankInterval> intervals;  // by combination of the list
  std::vector<int> chosen;              // of the diagram: combinations
  std::optional<Friedman> friedman;     // of the chosen
  double critical_difference = kUnknown;
  std::vector<std::vector<int>> groups;  // indices into `chosen`
};

struct StudyAnalysis {
  std::string title;
  std::vector<ConfigAnalysis> configs;
  std::vector<StudyResult> results;
  int64_t asked = 0, done = 0, failed = 0, stopped = 0;  // of the runs that are known to be asked
  int64_t confirm_asked = 0, confirm_done = 0;           // of them
  bool fusions = false;  // combinations are fusions and nothing else
  std::string what;      // "fusion", "activation", "combination"
  RanksAnalysis ranks;
};

// Of what a study's runs came to so far.
absl::StatusOr<StudyAnalysis> Analyse(const Plan& plan, const StudyFolder& folder);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_ANALYSIS_H_
