// The verb `list`: every plugin.
#include <cstdio>

#include "pipeline/cli/command_line.h"
#include "pipeline/config/describe.h"

namespace pipeline {
namespace {

int List(const CommandLine&) {
  std::fputs(ListPlugins().c_str(), stdout);
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "list",
    .arguments = "",
    .help = "every plugin, with the first sentence of its help",
    .flags = {PluginFlag()},
    .run = List,
});

}  // namespace pipeline
