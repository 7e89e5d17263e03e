// The graph as a picture: graphviz's dot language.
#ifndef PIPELINE_GRAPH_DOT_H_
#define PIPELINE_GRAPH_DOT_H_

#include <string>

#include "pipeline/graph/graph.h"

namespace pipeline {

// Nodes with plugin and phase; edges with ports, type and shape (N is the batch). Of a built graph:
// pipe it to `dot -Tpng`.
std::string DotText(const Graph& graph);

}  // namespace pipeline

#endif  // PIPELINE_GRAPH_DOT_H_
