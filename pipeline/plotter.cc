// The folders that can be drawn.
#include "pipeline/plotter.h"

namespace pipeline {
namespace {

std::map<std::string, Plotter::Draw>& Plotters() {
  static auto* plotters = new std::map<std::string, Plotter::Draw>();
  return *plotters;
}

}  // namespace

Plotter::Plotter(const char* folder, Draw draw) { Plotters()[folder] = draw; }

const std::map<std::string, Plotter::Draw>& Plotter::All() { return Plotters(); }

}  // namespace pipeline
