// Finding of folders and configs.
#include "pipeline/workspace.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/diagnostics.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr char kExtension[] = ".pbtxt";

}  // namespace

std::string WorkspaceFolder() {
  if (const char* given = std::getenv("BUILD_WORKSPACE_DIRECTORY")) return given;
  std::error_code error;
  for (fs::path at = fs::current_path(error); !at.empty(); at = at.parent_path()) {
    if (fs::exists(at / "WORKSPACE", error) && fs::is_directory(at / "configs", error)) {
      return at.string();
    }
    if (at == at.parent_path()) break;
  }
  return "";
}

void EnterUsersFolder() {
  std::error_code ignored;
  if (const char* given = std::getenv("BUILD_WORKING_DIRECTORY")) fs::current_path(given, ignored);
}

std::vector<std::string> ConfigNames() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(WorkspaceFolder() + "/configs", error)) {
    if (entry.path().extension() == kExtension) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> FindConfig(const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no config given; --config=NAME takes a path or one of: ",
                     absl::StrJoin(ConfigNames(), ", ")));
  }
  std::error_code error;
  const std::string workspace = WorkspaceFolder();
  for (const std::string& stem : {name, absl::StrCat(workspace, "/configs/", name)}) {
    for (const std::string& path : {stem, absl::StrCat(stem, kExtension)}) {
      if (fs::is_regular_file(path, error)) return path;
    }
  }
  const std::vector<std::string> known = ConfigNames();
  return absl::NotFoundError(absl::StrCat(
      name, ": no such config", workspace.empty() ? "" : ", here or in the workspace's configs/",
      DidYouMean(absl::EndsWith(name, kExtension) ? name : name + kExtension, known),
      known.empty() ? "" : absl::StrCat("\nconfigs: ", absl::StrJoin(known, ", "))));
}

std::string CacheFolder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  // By the rules of XDG a relative path is none.
  if (cache != nullptr && cache[0] == '/') return absl::StrCat(cache, "/lossfusion/");
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return absl::StrCat(home, "/.cache/lossfusion/");
  return "";
}

std::string Shown(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(path, error);
  if (error) return Printable(path);
  for (const fs::path& base : {fs::current_path(error), fs::path(WorkspaceFolder())}) {
    if (base.empty()) continue;
    const std::string relative = absolute.lexically_relative(fs::weakly_canonical(base, error));
    if (!relative.empty() && !absl::StartsWith(relative, "..")) return Printable(relative);
  }
  return Printable(absolute.string());
}

}  // namespace pipeline
