// Networks that answer one class whatever the image: ours, and those behind published numbers.
#ifndef PIPELINE_STATISTICS_COLLAPSE_H_
#define PIPELINE_STATISTICS_COLLAPSE_H_

#include <cstdint>
#include <vector>

namespace pipeline {

// What one class for all images scores, `share` in [0, 1] being truly of that class.
struct ConstantScores {
  double accuracy = 0, weighted_precision = 0, weighted_recall = 0, weighted_f1 = 0, macro_f1 = 0;
};
ConstantScores ScoresOfConstant(double share, int classes);

enum class OneClass {
  kNo,
  kUndecidable,  // so good a model has precision near accuracy squared anyway
  kConsistent,   // say "consistent with one-class output", no more
};
// A published cell's accuracy and weighted precision, in [0, 1] as printed with these decimals
// (0.9248: 4; 92.48 %: also 4): could it come from one class for all images, precision being
// accuracy squared but for the rounding? Not for macro averages, nor for our own runs.
OneClass OneClassOf(double accuracy, double precision, int accuracy_decimals,
                    int precision_decimals);
// What rounding explains: h_p + 2 A h_a + h_a^2, h being half a unit of the last decimal.
double OneClassTolerance(double accuracy, int accuracy_decimals, int precision_decimals);

// A run of ours that says too little to be compared: fewer than 2 classes answered on TEST, or a
// balanced accuracy of at most 1/K + 0.02. answered[class] counts its answers, K = its length >= 2.
bool HasCollapsed(const std::vector<int64_t>& answered, double balanced_accuracy);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_COLLAPSE_H_
