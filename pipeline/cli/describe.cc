// The verb `describe`: a plugin and its options.
#include "pipeline/config/describe.h"

#include <cstdio>

#include "pipeline/cli/command_line.h"

namespace pipeline {
namespace {

int Describe(const CommandLine& line) {
  if (line.words.size() != 1) {
    return Complain(absl::InvalidArgumentError("describe takes one name (`list` shows all)"),
                    kMistake);
  }
  const absl::StatusOr<std::string> text = DescribePlugin(line.words[0]);
  if (!text.ok()) return Complain(text.status(), kMistake);
  std::fputs(text->c_str(), stdout);
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "describe",
    .arguments = "NAME",
    .help = "a plugin's options, or those of \"train\"\n"
            "With defaults, ranges and help, and the configs that use the plugin.",
    .flags = {PluginFlag()},
    .run = Describe,
});

}  // namespace pipeline
