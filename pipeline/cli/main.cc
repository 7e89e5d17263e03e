// The program: its command line goes to a verb, and no exception leaves it.
#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/verb.h"
#include "pipeline/exceptions.h"
#include "pipeline/registry.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

// Loads a shared library, whose REGISTER_PLUGIN lines then run.
absl::Status LoadPlugin(const std::string& path) {
  const size_t before = PluginIndex::Get().All().size();
  // Without a slash dlopen would search the system's folders instead of this one.
  const std::string file = absl::StrContains(path, '/') ? path : "./" + path;
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("--plugin=", path, ": ", dlerror()));
  }
  if (PluginIndex::Get().All().size() == before) {
    return absl::InvalidArgumentError(
        absl::StrCat("--plugin=", path, ": registers no plugin that was not there before"));
  }
  return absl::OkStatus();
}

int Main(const std::vector<std::string>& arguments) {
  EnterUsersFolder();
  const absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
  if (!line.ok()) return Complain(line.status(), kMistake);
  if (line->help) {
    std::fputs((line->verb == nullptr ? HelpText() : HelpText(*line->verb)).c_str(), stdout);
    return 0;
  }
  for (const std::string& plugin : line->Values("plugin")) {
    const absl::Status loaded = LoadPlugin(plugin);
    if (!loaded.ok()) return Complain(loaded, kMistake);
  }
  return line->verb->run(*line);
}

}  // namespace
}  // namespace pipeline

int main(int argc, char** argv) {
  int code = pipeline::kFailure;
  const absl::Status status = pipeline::Caught([&] {
    code = pipeline::Main({argv + 1, argv + argc});
    return absl::OkStatus();
  });
  return status.ok() ? code : pipeline::Complain(status, pipeline::kFailure);
}
