// What a classifier said of samples whose classes are known: the input of this folder.
#ifndef PIPELINE_STATISTICS_PROBABILITIES_H_
#define PIPELINE_STATISTICS_PROBABILITIES_H_

#include <cstdint>
#include <vector>

namespace pipeline {

// A row for each sample, a column for each class: in [0, 1], each row summing to 1 but for
// rounding. Beside them goes std::vector<int> labels, the true class of each row, in [0, columns).
// A caller who breaks the shapes has a bug: the functions of this folder abort.
using Probabilities = std::vector<std::vector<double>>;

// The class of the highest probability, the lowest of equals; NaN is never the highest.
int MostLikely(const std::vector<double>& row);

// Of each sample the highest probability (NaN where the row has a NaN), and whether its class is
// the true one.
struct Answers {
  std::vector<double> confidence;
  std::vector<bool> right;
};
Answers AnswersOf(const Probabilities& probabilities, const std::vector<int>& labels);

// Aborts unless there is a label in [0, columns) for each row, and all rows are of one length >= 1.
void RequireShapes(const Probabilities& probabilities, const std::vector<int>& labels);

// Mean; NaN of nothing.
double Mean(const std::vector<double>& values);

// The quantile at share `numerator` / `denominator` in [0, 1] of ascending values, with linear
// interpolation between them (type 7, as in numpy); NaN of nothing. The rank is computed in whole
// numbers, so that a quantile that is one of the values is that value exactly.
double Quantile(const std::vector<double>& ascending, int64_t numerator, int64_t denominator);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_PROBABILITIES_H_
