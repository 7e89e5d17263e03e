// Folders are walked, patterns are the C library's.
#include "pipeline/prediction/image_list.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

// Whether a folder is a link to one that it lies in.
bool LeadsBack(const fs::directory_entry& entry) {
  std::error_code error;
  if (!entry.is_symlink(error)) return false;
  const fs::path target = fs::canonical(entry.path(), error);
  const fs::path parent = fs::canonical(entry.path().parent_path(), error);
  return absl::StartsWith(parent.string() + "/", target.string() + "/");
}

absl::Status AddFolder(const std::string& folder, const NamesImage& names_image,
                       std::vector<std::string>* files) {
  std::vector<std::string> found;
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::follow_directory_symlink,
                                           error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (entries->is_directory(ignored)) {
      if (LeadsBack(*entries)) entries.disable_recursion_pending();
    } else if (names_image(entries->path().string())) {
      found.push_back(entries->path().string());
    }
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  if (found.empty()) return absl::NotFoundError(absl::StrCat(folder, ": no images are below it"));
  std::sort(found.begin(), found.end());
  files->insert(files->end(), found.begin(), found.end());
  return absl::OkStatus();
}

absl::Status AddPattern(const std::string& pattern, std::vector<std::string>* files) {
  glob_t found = {};
  const int failed = glob(pattern.c_str(), 0, nullptr, &found);  // sorts
  for (size_t i = 0; failed == 0 && i < found.gl_pathc; ++i) {
    std::error_code ignored;
    if (!fs::is_directory(found.gl_pathv[i], ignored)) files->emplace_back(found.gl_pathv[i]);
  }
  globfree(&found);
  if (failed == 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(pattern, ": no such file or folder"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListImages(const std::vector<std::string>& words,
                                                    const NamesImage& names_image,
                                                    std::istream& input) {
  std::vector<std::string> files;
  for (const std::string& word : words) {
    std::error_code ignored;
    absl::Status added;
    if (word == "-") {
      for (std::string line; std::getline(input, line);) {
        if (!line.empty()) files.push_back(line);
      }
    } else if (fs::is_directory(word, ignored)) {
      added = AddFolder(word, names_image, &files);
    } else if (fs::exists(word, ignored)) {
      files.push_back(word);
    } else {
      added = AddPattern(word, &files);
    }
    if (!added.ok()) return absl::Status(added.code(), Printable(added.message()));
  }
  if (files.empty()) return absl::InvalidArgumentError("no images to predict");
  return files;
}

}  // namespace pipeline
