// What a run's answers are worth: scores, by class, and how sure they are.
#ifndef PIPELINE_REPORT_JUDGEMENT_H_
#define PIPELINE_REPORT_JUDGEMENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipeline/report/record.h"
#include "pipeline/statistics/probabilities.h"
#include "pipeline/statistics/ranking.h"

namespace pipeline {

// counts[truth][prediction].
using Confusion = std::vector<std::vector<int64_t>>;

struct ClassScores {
  std::string name;
  int64_t truth = 0, predicted = 0, right = 0;        // images, or pixels
  double precision = 0, recall = 0, f1 = 0, iou = 0;  // NaN where 0 / 0
};
std::vector<ClassScores> ScoresByClass(const Confusion& confusion,
                                       const std::vector<std::string>& classes);

// Of answers to some samples; what `samples` repeats counts again.
double AccuracyOf(const std::vector<int>& labels, const std::vector<int>& answers,
                  const std::vector<int64_t>& samples);
// Means over the classes that occur: in the truth; in the truth or the answers.
double BalancedAccuracyOf(const std::vector<int>& labels, const std::vector<int>& answers,
                          const std::vector<int64_t>& samples, size_t classes);
double MacroF1Of(const std::vector<int>& labels, const std::vector<int>& answers,
                 const std::vector<int64_t>& samples, size_t classes);

// 0, 1, ..., count - 1.
std::vector<int64_t> AllSamples(size_t count);

// How often to resample what takes so many steps: less where they are many, to stay within a second
// or two.
int64_t ResamplesFor(size_t steps);

struct Interval {
  double value = 0, low = 0, high = 0;  // 95 %
};

struct Judgement {
  Phase phase = TEST;
  // The epoch of whose weights it speaks; 0 where that is not known.
  int64_t epoch = 0;
  // By summary.json's names: of TEST from there, of VAL from that epoch's row of metrics.csv.
  std::map<std::string, double> values;
  Confusion confusion;  // empty where nothing tells
  std::vector<ClassScores> classes;

  // Of predictions.csv, for images that have a class; all empty where they have not.
  std::vector<const Prediction*> rows;
  Probabilities probabilities;
  std::vector<int> labels, answers;
  OneVsRest ranking;  // no curves where they would take too long
  // By bootstrap over images: accuracy, balanced_accuracy, macro_f1; of masks accuracy, mean_iou
  // and mean_dice, each a mean over images.
  std::map<std::string, Interval> intervals;

  // NaN where there is none.
  double Value(const std::string& name) const;
};

// Of TEST, or of VAL where nothing was tested.
Judgement JudgementOf(const RunRecord& record);

// The rows of a phase whose label and answer are classes of the record, in the judgement's `rows`,
// `probabilities`, `labels` and `answers`; nothing for masks.
void TakeAnswers(const RunRecord& record, Phase phase, Judgement* judgement);

// In nats; 0 is sure.
double EntropyOf(const std::vector<double>& probabilities);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_JUDGEMENT_H_
