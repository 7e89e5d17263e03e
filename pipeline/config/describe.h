// What the program says about its plugins: `list` and `describe`.
#ifndef PIPELINE_CONFIG_DESCRIBE_H_
#define PIPELINE_CONFIG_DESCRIBE_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/registry.h"

namespace pipeline {

// What a plugin is, from its comment: the first sentence, up to a colon before what is only detail;
// without the mark that ends it. Marks in parentheses and in abbreviations end nothing.
std::string FirstSentence(const std::string& comment);

// Every plugin by folder, with the first sentence of its comment, in lines that fit a terminal.
std::string ListPlugins();

// The plugin of that name: case, underscores and a unique name's folder may be left out. NOT_FOUND
// names near ones.
absl::StatusOr<PluginName> FindPlugin(const std::string& name);

// One plugin: its comment, its options (type, default, range, help) and the configs of the
// workspace that use it. "train" and "study" are the core's own messages.
absl::StatusOr<std::string> DescribePlugin(const std::string& name);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_DESCRIBE_H_
