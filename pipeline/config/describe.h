// What the program says about its plugins: `list` and `describe`.
#ifndef PIPELINE_CONFIG_DESCRIBE_H_
#define PIPELINE_CONFIG_DESCRIBE_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/registry.h"

namespace pipeline {

// Every plugin by folder, with the first sentence of its comment.
std::string ListPlugins();

// The plugin of that name: case, underscores and a unique name's folder may be left out. NOT_FOUND
// names near ones.
absl::StatusOr<PluginName> FindPlugin(const std::string& name);

// One plugin: its comment, its options (type, default, range, help) and the configs of the
// workspace that use it. "train" is the core's own message.
absl::StatusOr<std::string> DescribePlugin(const std::string& name);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_DESCRIBE_H_
