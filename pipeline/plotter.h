// How a folder's plugins become curves, for the verb `plot`.
#ifndef PIPELINE_PLOTTER_H_
#define PIPELINE_PLOTTER_H_

#include <google/protobuf/any.pb.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pipeline {

// What curves are drawn in. Those of equal axes share a picture's panels: one of the values, one of
// the slopes.
struct Axes {
  std::string x = "x";
  std::string value = "f(x)", slope = "f'(x)";
  // A sentence that the picture needs, such as what dashes mean.
  std::string note;
  // The part of x whose values decide how high the panels are; elsewhere a curve may leave them.
  double from = -1e300, to = 1e300;

  bool operator==(const Axes& other) const {
    return x == other.x && value == other.value && slope == other.slope && note == other.note;
  }
};

// A function and its derivative at ascending points; NaN where undefined.
struct Curve {
  std::vector<double> x, value, slope;
  Axes axes;
  bool dashed = false;
};

// How the plugins of a folder become curves, of one pair of axes each. A folder whose plugins can
// be drawn has one object of this class, which lives as long as the process.
class Plotter {
 public:
  using Draw = absl::StatusOr<std::vector<Curve>> (*)(const google::protobuf::Any& plugin);
  Plotter(const char* folder, Draw draw);
  // By folder.
  static const std::map<std::string, Draw>& All();
};

}  // namespace pipeline

#endif  // PIPELINE_PLOTTER_H_
