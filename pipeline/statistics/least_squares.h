// Linear least squares by Householder's reflections.
#ifndef PIPELINE_STATISTICS_LEAST_SQUARES_H_
#define PIPELINE_STATISTICS_LEAST_SQUARES_H_

#include <optional>
#include <vector>

namespace pipeline {

// The pseudoinverse of a matrix of rows[m][p] of full column rank: [p][m], coefficients = it times
// the right-hand side. None where m < p or the columns depend on each other (to 1e-10).
std::optional<std::vector<std::vector<double>>> Pseudoinverse(
    const std::vector<std::vector<double>>& rows);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_LEAST_SQUARES_H_
