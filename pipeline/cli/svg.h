// A plugin that is a function of one variable, as an SVG picture.
#ifndef PIPELINE_CLI_SVG_H_
#define PIPELINE_CLI_SVG_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/plotter.h"

namespace pipeline {

// An SVG picture of a plugin: `what` is its name, as `describe` takes it, or text such as
// "[activations/Lerch] { s: 1 }".
absl::StatusOr<std::string> PlotSvg(const std::string& what);

// The same curve as SVG: the function above, its derivative below.
std::string SvgOf(const std::string& title, const Curve& curve);

}  // namespace pipeline

#endif  // PIPELINE_CLI_SVG_H_
