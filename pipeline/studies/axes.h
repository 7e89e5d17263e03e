// The values of a study's axes.
#ifndef PIPELINE_STUDIES_AXES_H_
#define PIPELINE_STUDIES_AXES_H_

#include <string>
#include <vector>

#include "pipeline/config/path.h"
#include "pipeline/diagnostics.h"
#include "pipeline/studies/study.pb.h"

namespace pipeline {

// A value of one axis.
struct AxisValue {
  std::string axis;  // "fusion"
  std::string name;  // "smooth_l1+categorical_cross_entropy"
  // Names of the losses of a fusion, in the study's order; empty for other axes.
  std::vector<std::string> losses;
  std::vector<std::string> sets;  // what makes it, as --set takes it
};

// In the order in which they are shown: fusions by size, then lexicographic. `at` is the axis's
// place in its study; mistakes go to `errors`.
std::vector<AxisValue> ValuesOfAxis(const Axis& axis, const Path& at, const Locations& where,
                                    Diagnostics* errors);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_AXES_H_
