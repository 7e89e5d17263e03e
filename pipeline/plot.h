// The verb `plot`: a plugin that is a function of one variable, as a picture.
#ifndef PIPELINE_PLOT_H_
#define PIPELINE_PLOT_H_

#include <google/protobuf/any.pb.h>

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
};

// An SVG picture of a plugin: `what` is its name, as `describe` takes it, or text such as
// "[activations/Lerch] { s: 1 }".
absl::StatusOr<std::string> PlotSvg(const std::string& what);

// The same curve as SVG: the function above, its derivative below.
std::string SvgOf(const std::string& title, const Curve& curve);

}  // namespace pipeline

#endif  // PIPELINE_PLOT_H_
