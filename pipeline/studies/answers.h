// What a run of a study answered on TEST, image by image.
#ifndef PIPELINE_STUDIES_ANSWERS_H_
#define PIPELINE_STUDIES_ANSWERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/studies/results.h"

namespace pipeline {

// Whether a result's identity is one, and so leads nowhere but into `runs`.
bool NamesARun(const StudyResult& result);

struct RunAnswers {
  std::vector<std::string> classes;
  // By path, ascending. Images without a score are left out: masks without a class of the truth.
  std::vector<std::string> paths;
  std::vector<std::string> labels;  // empty of masks
  std::vector<double> scores;       // 1 or 0 for right or wrong; of masks their IoU, ...
  std::vector<int64_t> answered;    // images by class that was answered; empty of masks
  std::vector<std::vector<double>> probabilities;  // where asked for; empty of masks
};

// `metric` is not AUTO. Errors name the file: one that is not there, is no predictions.csv, names
// an image twice, or is of masks where images have classes.
absl::StatusOr<RunAnswers> ReadAnswers(const StudyFolder& folder, const StudyResult& result,
                                       Study::Metric metric, bool probabilities);

// Both of one config: the answers of folds, as one.
absl::StatusOr<RunAnswers> Joined(const std::vector<RunAnswers>& folds);

// AUTO as it is meant for the task.
Study::Metric MetricOf(const Study& study, const std::string& task);
// "accuracy".
std::string MetricName(Study::Metric metric);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_ANSWERS_H_
