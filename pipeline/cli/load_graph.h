// What verbs of a config begin with: the config, its graph, and the hardware that it is built on.
#ifndef PIPELINE_CLI_LOAD_GRAPH_H_
#define PIPELINE_CLI_LOAD_GRAPH_H_

#include <memory>

#include "absl/status/statusor.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"

namespace pipeline {

struct LoadedGraph {
  LoadedConfig config;
  std::unique_ptr<Graph> graph;
};

// The config that the user named, with each --set, and its graph, wired; no data are read. Every
// mistake is in the status.
absl::StatusOr<LoadedGraph> LoadGraph(const CommandLine& line);

// Chooses device, precision and threads by the config, and builds the graph on them.
absl::Status BuildGraph(const LoadedGraph& loaded, BuildContext* context);

}  // namespace pipeline

#endif  // PIPELINE_CLI_LOAD_GRAPH_H_
