// What verbs of a config begin with: the config, its graph, and the hardware that it is built on.
#ifndef PIPELINE_CLI_LOAD_GRAPH_H_
#define PIPELINE_CLI_LOAD_GRAPH_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/run.h"

namespace pipeline {

struct LoadedGraph {
  LoadedConfig config;
  std::unique_ptr<Graph> graph;
};

// The config that the user named, with each --set, and its graph, wired; no data are read. Every
// mistake is in the status.
absl::StatusOr<LoadedGraph> LoadGraph(const CommandLine& line);

// The folder of the run that a word names: that folder, or a config whose last run is meant.
absl::StatusOr<std::string> FolderOfRun(const std::string& word);

// That run. `sets` change its config.
absl::StatusOr<Run> OpenRun(const std::string& word, const std::vector<std::string>& sets);

// A run's graph, built with `context` on the data that its config names, for the run's own weights;
// nothing is written. Classes are known by their names; data with others are refused.
absl::StatusOr<LoadedGraph> BuildOnData(const Run& run, BuildContext* context);

// Chooses the hardware, and builds the graph on them.
absl::Status BuildGraph(const LoadedGraph& loaded, BuildContext* context);

}  // namespace pipeline

#endif  // PIPELINE_CLI_LOAD_GRAPH_H_
