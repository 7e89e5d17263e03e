// Configs: a file, a part that it may include as part.pbtxt, and --set arguments, between lines
// "----".
#include "pipeline/config/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "fuzz/target.h"
#include "pipeline/config/text.h"

namespace fuzz {
namespace {

// An empty one, which is the workspace too.
std::string MakeFolder() {
  std::string folder = (std::filesystem::temp_directory_path() / "fuzz-XXXXXX").string();
  Require(mkdtemp(folder.data()) != nullptr, "a folder can be made");
  setenv("BUILD_WORKSPACE_DIRECTORY", folder.c_str(), 1);
  return folder;
}

void Write(const std::string& path, absl::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

void Run(absl::string_view bytes) {
  static const auto* folder = new std::string(MakeFolder());
  const std::string config = *folder + "/config.pbtxt";
  const std::vector<std::string> parts = absl::StrSplit(bytes, "\n----\n");
  Write(config, parts[0]);
  Write(*folder + "/part.pbtxt", parts.size() > 1 ? parts[1] : "");
  const std::vector<std::string> sets(parts.begin() + (parts.size() > 1 ? 2 : 1), parts.end());
  pipeline::Diagnostics errors;
  const auto loaded = pipeline::LoadConfig(config, sets, &errors);
  if (!loaded.ok() || !errors.empty()) return;
  // What a run keeps of its config is the config again.
  const std::string resolved = pipeline::PrintText(loaded->document.config);
  Write(config, resolved);
  const auto again = pipeline::LoadConfig(config, {}, &errors);
  Require(again.ok() && errors.empty(), "a resolved config loads");
  Require(pipeline::PrintText(again->document.config) == resolved, "a resolved config stays");
}

const Target kTarget("config", Run);

}  // namespace
}  // namespace fuzz
