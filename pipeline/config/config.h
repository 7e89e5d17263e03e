// Loading of configs: includes, merging, --set, the embedded sample, and every check that needs no
// data.
#ifndef PIPELINE_CONFIG_CONFIG_H_
#define PIPELINE_CONFIG_CONFIG_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/config/edit.h"

namespace pipeline {

// A config that is ready to be built.
struct LoadedConfig {
  Document document;             // resolved: no include, no sample_overrides, datasets pinned
  std::string name;              // the file's name without folder and extension
  std::string path;              // as it was found
  bool embedded_sample = false;  // a dataset's data are missing; the embedded sample stands in
};

// Loads `path` and applies `sets` in order. Where a dataset has no root and its folder in the
// workspace's data/ is missing, sample_overrides are merged (before `sets`). Names, types and
// ranges are checked; their mistakes go to `errors`. A file that cannot be read or parsed to its
// end is the returned status.
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path,
                                        const std::vector<std::string>& sets, Diagnostics* errors);

// Checks nodes' names, plugins' names and folders, and the range of every number.
void Validate(const Document& document, Diagnostics* errors);

// The same of what any other message holds: the range of every number, the folder of every plugin.
void ValidateFields(const google::protobuf::Message& message, const Locations& where,
                    Diagnostics* errors);

// The same of one plugin of a folder, outside of a config.
absl::Status ValidatePlugin(const google::protobuf::Any& plugin, const std::string& folder);

// "between 0 and 1", "above 0": the range of a number's option; empty where it has none.
std::string RangeText(const google::protobuf::FieldDescriptor& field);

// Every plugin of the config, nested ones after the one that holds them, in the order of the nodes:
// calls `visit` with the plugin's name, options and path.
void VisitPlugins(const Document& document,
                  const std::function<void(const google::protobuf::Any& plugin,
                                           const google::protobuf::Message& options,
                                           const std::string& path)>& visit);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_CONFIG_H_
