// The verb `dot`: a config's graph.
#include "pipeline/graph/dot.h"

#include <cstdio>

#include "pipeline/cli/load_graph.h"

namespace pipeline {
namespace {

int PrintDot(const CommandLine& line) {
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  BuildContext context;
  context.writes = false;
  const absl::Status status = BuildGraph(*loaded, &context);
  if (!status.ok()) return Complain(status, kMistake);
  std::fputs(DotText(*loaded->graph).c_str(), stdout);
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "dot",
    .arguments = "CONFIG",
    .help = "the graph with ports and shapes, for graphviz",
    .flags = {ConfigFlag(), SetFlag(), PluginFlag()},
    .run = PrintDot,
});

}  // namespace pipeline
