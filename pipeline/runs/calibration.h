// calibration.json: what puts a run's probabilities right, fitted on VAL, and what it does on TEST.
#ifndef PIPELINE_RUNS_CALIBRATION_H_
#define PIPELINE_RUNS_CALIBRATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/runs/run.h"
#include "pipeline/statistics/calibration.h"
#include "pipeline/statistics/conformal.h"
#include "pipeline/statistics/scaling.h"

namespace pipeline {

// Sets of classes are to hold the true one this often.
constexpr double kConformalLevel = 0.9;

struct Calibration {
  std::string method;                // "temperature" or "vector"
  std::vector<std::string> classes;  // as ClassNames calls them
  Scaling scaling;
  // PredictionSet(Apply(row), threshold) holds the true class with chance >= kConformalLevel.
  double threshold = 1;

  // Probabilities of one sample, by class, as the run gives them; calibrated, they sum to 1. Of
  // another number of classes: abort.
  std::vector<double> Apply(const std::vector<double>& probabilities) const {
    return scaling.Apply(probabilities);
  }
};

// What probabilities are worth on samples that nothing was fitted on.
struct CalibrationEffect {
  CalibrationScores scores;
  SetScores sets;
};

struct FittedCalibration {
  Calibration calibration;
  std::string predictions;    // a hash of the predictions.csv
  int64_t val = 0, test = 0;  // samples whose class is known
  // Both of TEST, with thresholds for the sets from VAL; none where TEST has no sample.
  std::optional<CalibrationEffect> before, after;
};

// Fits one of the run's predictions.csv. `method` is "temperature" or "vector". Errors are one line
// that names the run: no predictions.csv, a segmentation, nothing in VAL, a file that is wrong.
absl::StatusOr<FittedCalibration> FitCalibration(const Run& run, const std::string& method);

// The content of calibration.json: parameters, before and after, which data and predictions.
std::string CalibrationText(const Run& run, const FittedCalibration& fitted);

// The run's calibration.json. NOT_FOUND, naming the verb that makes it, where there is none; other
// errors where it is wrong, of other classes, or of other predictions than the run has now (it was
// trained further).
absl::StatusOr<Calibration> LoadCalibration(const Run& run);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_CALIBRATION_H_
