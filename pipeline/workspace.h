// Where things are: the workspace, configs, data, and how paths are shown to a user.
#ifndef PIPELINE_WORKSPACE_H_
#define PIPELINE_WORKSPACE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pipeline {

// The root of the project's source tree: BUILD_WORKSPACE_DIRECTORY (set by `bazel run`), else the
// nearest folder at or above the current one with a WORKSPACE file and configs/, else "".
std::string WorkspaceFolder();

// Makes the folder that the user stands in (BUILD_WORKING_DIRECTORY under `bazel run`) the current
// one, so that every relative path means what it says.
void EnterUsersFolder();

// The config called `name`: that path, else the one in the workspace's configs/. NOT_FOUND lists
// near names.
absl::StatusOr<std::string> FindConfig(const std::string& name);

// Configs of the workspace, by file name, sorted; those in subfolders are parts, and left out.
std::vector<std::string> ConfigNames();

// Where what can be found out again is kept for this user, with '/' at its end:
// $XDG_CACHE_HOME/lossfusion/, else ~/.cache/lossfusion/; "" where the environment names neither.
std::string CacheFolder();

// `path` for a message: relative to the current folder or to the workspace where it lies below one
// of them, and Printable.
std::string Shown(const std::string& path);

}  // namespace pipeline

#endif  // PIPELINE_WORKSPACE_H_
