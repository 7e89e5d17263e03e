// Curves as an SVG picture.
#ifndef PIPELINE_CLI_SVG_H_
#define PIPELINE_CLI_SVG_H_

#include <string>
#include <vector>

#include "pipeline/plotter.h"

namespace pipeline {

// A plugin and its curves.
struct Plotted {
  std::string label;  // "[losses/Focal] { gamma: 5 }"
  std::string file;   // "focal"
  std::vector<Curve> curves;
};

// As many as have colours of their own.
constexpr size_t kMostPlotted = 8;

// One picture, light or dark as the viewer's system is: for each pair of axes a panel of the values
// above one of the slopes. `all` holds 1 to kMostPlotted; several get a legend.
std::string SvgOf(const std::vector<Plotted>& all);

}  // namespace pipeline

#endif  // PIPELINE_CLI_SVG_H_
