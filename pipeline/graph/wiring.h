// Turns a config's nodes into wired, ordered graph nodes, or says everything that is wrong.
#ifndef PIPELINE_GRAPH_WIRING_H_
#define PIPELINE_GRAPH_WIRING_H_

#include <vector>

#include "pipeline/graph/graph.h"

namespace pipeline {

// Nodes in topological order. A node whose plugin is unknown or whose options are wrong has no
// stage, and wiring that depends on its ports is not judged.
std::vector<Graph::NodeEntry> WireNodes(const Document& document, Diagnostics* errors);

}  // namespace pipeline

#endif  // PIPELINE_GRAPH_WIRING_H_
