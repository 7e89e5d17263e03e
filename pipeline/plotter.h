// How a folder's plugins become curves, for the verb `plot`.
#ifndef PIPELINE_PLOTTER_H_
#define PIPELINE_PLOTTER_H_

#include <google/protobuf/any.pb.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pipeline {

// A function and its derivative at points of a line; NaN where undefined.
struct Curve {
  std::vector<double> x, value, slope;
};

// How the plugins of a folder become curves. A folder whose plugins can be drawn has one object of
// this class, which lives as long as the process.
class Plotter {
 public:
  using Draw = absl::StatusOr<Curve> (*)(const google::protobuf::Any& plugin);
  Plotter(const char* folder, Draw draw);
  // By folder.
  static const std::map<std::string, Draw>& All();
};

}  // namespace pipeline

#endif  // PIPELINE_PLOTTER_H_
