// The verb `print-config`: a config as it is once it is loaded.
#include <cstdio>

#include "pipeline/cli/load_graph.h"
#include "pipeline/config/text.h"

namespace pipeline {
namespace {

int PrintConfig(const CommandLine& line) {
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  std::fputs(PrintText(loaded->config.document.config).c_str(), stdout);
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "print-config",
    .arguments = "CONFIG",
    .help = "the config with includes and --set applied",
    .flags = {ConfigFlag(), SetFlag(), PluginFlag()},
    .run = PrintConfig,
});

}  // namespace pipeline
