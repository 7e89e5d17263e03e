// Copies of result lines and of runs.
#include "pipeline/studies/merge.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "pipeline/files.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxLines = size_t{1} << 30;  // bytes

absl::Status Failed(const std::string& from, const std::error_code& error) {
  return absl::UnknownError(absl::StrCat("cannot copy ", Shown(from), ": ", error.message()));
}

// Runs that are over; one that is there is the same run.
absl::Status CopyRuns(const std::string& shard, const StudyFolder& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(shard + "/runs", error)) {
    const std::string from = entry.path().string();
    const std::string to = folder.RunFolder(entry.path().filename().string());
    std::error_code failed;
    if (!fs::exists(from + "/result.json", failed) || fs::exists(to + "/result.json", failed)) {
      continue;
    }
    const std::string aside = to + ".copied";
    fs::remove_all(aside, failed);
    fs::copy(from, aside, fs::copy_options::recursive, failed);
    if (!failed) fs::remove_all(to, failed);
    if (!failed) fs::rename(aside, to, failed);
    if (failed) return Failed(from, failed);
  }
  return error ? Failed(shard + "/runs", error) : absl::OkStatus();
}

absl::Status CopyLines(const std::string& shard, const StudyFolder& folder) {
  std::error_code error;
  const std::string name = fs::path(shard).lexically_normal().filename().string();
  for (const auto& entry : fs::directory_iterator(shard + "/results", error)) {
    if (entry.path().extension() != ".jsonl") continue;
    const absl::StatusOr<std::string> text = ReadFile(entry.path().string(), kMaxLines);
    if (!text.ok()) return text.status();
    const std::string whole = text->substr(0, text->rfind('\n') + 1);  // npos + 1 is 0
    const absl::Status written = WriteFileAtomically(
        folder.File(absl::StrCat("results/", name, "-", entry.path().filename().string())), whole);
    if (!written.ok()) return written;
  }
  return error ? Failed(shard + "/results", error) : absl::OkStatus();
}

}  // namespace

absl::Status MergeStudies(const std::vector<std::string>& shards, const StudyFolder& folder) {
  std::error_code error;
  for (const std::string& shard : shards) {
    if (!fs::is_directory(shard + "/results", error)) {
      return absl::NotFoundError(absl::StrCat("--merge: ", Shown(shard), " is no study's folder"));
    }
  }
  for (const std::string& shard : shards) {
    absl::Status status = CopyRuns(shard, folder);
    if (status.ok()) status = CopyLines(shard, folder);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pipeline
