// predictions.csv: what a run's weights say of each image of VAL and TEST, so that every figure can
// be computed again by others.
#ifndef PIPELINE_RUNS_PREDICTIONS_H_
#define PIPELINE_RUNS_PREDICTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/data.h"

namespace pipeline {

// Of one image. Classes are called as ClassNames calls them.
struct Prediction {
  Phase phase = TEST;
  std::string path;  // as Source::SampleName gives it
  // Of an image that has a class.
  std::string label;  // "" where it is not known
  std::string predicted;
  std::vector<double> probabilities;  // by class
  // Of a mask: counted pixels are those whose label is not ignored.
  int64_t pixels = 0;
  double accuracy = 0;                 // NaN where no pixel counts
  std::vector<double> iou, dice;       // by class; NaN where it is in neither truth nor prediction
  double mean_iou = 0, mean_dice = 0;  // over the classes of the truth; NaN where there are none
};

struct Predictions {
  bool masks = false;
  std::vector<std::string> columns;  // of classes, as ClassColumns names them
  std::vector<Prediction> rows;      // those of VAL first
};

// The names of `count` classes; those that the data do not name are called by their number.
std::vector<std::string> ClassNames(const std::vector<std::string>& classes, int64_t count);

// The columns of a class: phase,path,label,predicted,p.NAME... with probabilities in 9 digits; of
// masks: phase,path,pixels,accuracy,iou.NAME...,dice.NAME...,mean_iou,mean_dice. What is not
// defined is empty. RowsText has no header.
std::string HeaderText(const Predictions& predictions);
std::string RowsText(const Predictions& predictions);

// Such a file, header and rows. Errors name the line and what is wrong with it.
absl::StatusOr<Predictions> ParsePredictions(const std::string& text);
absl::StatusOr<Predictions> ReadPredictions(const std::string& path);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_PREDICTIONS_H_
