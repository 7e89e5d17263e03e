// Presence of all files, and contents of a few.
#include "pipeline/report/file_findings.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/clock.h"
#include "pipeline/content_hash.h"

namespace pipeline {
namespace {

// A file of split.csv that is there.
struct SplitFile {
  const std::string& path;
  const std::string& content;
};

// Reads a few of the files, evenly spaced, and names those that hold something else now.
void AboutContents(const RunRecord& record, const std::vector<SplitFile>& files,
                   std::vector<Finding>* findings) {
  constexpr size_t kMost = 200;
  constexpr double kSeconds = 1;
  const double begun = Now();
  const size_t most = std::min(files.size(), kMost);
  std::vector<std::string> changed;
  size_t read = 0;
  for (; read < most && (read == 0 || Now() - begun < kSeconds); ++read) {
    const SplitFile& file = files[read * files.size() / most];
    const std::string path = absl::StrCat(record.origin, "/", file.path);
    if (ContentHash(path) != file.content) changed.push_back(file.path);
  }
  if (changed.empty()) return;
  findings->push_back(
      {Severity::kCare,
       absl::StrCat("The data changed since: of ", read, " files that were compared (of ",
                    files.size(), "), ", changed.size(), changed.size() == 1 ? " has" : " have",
                    " another content than split.csv says."),
       changed});
}

}  // namespace

std::vector<Finding> FileFindings(const RunRecord& record) {
  std::error_code error;
  if (record.embedded_sample || !std::filesystem::is_directory(record.origin, error)) return {};
  std::vector<Finding> findings;
  std::vector<std::string> gone;
  std::vector<SplitFile> there;
  size_t all = 0;
  for (const auto& files : record.split_files) {
    for (const auto& [path, content] : files) {
      ++all;
      // What is shown by its bytes has another name on disk.
      if (absl::StrContains(path, "\\x")) continue;
      constexpr size_t kDigits = 32;  // fewer say that nobody read it
      if (!std::filesystem::exists(record.origin + "/" + path, error)) {
        gone.push_back(path);
      } else if (content.size() == kDigits) {
        there.push_back({path, content});
      }
    }
  }
  AboutContents(record, there, &findings);
  if (gone.empty()) return findings;
  findings.push_back({Severity::kCare,
                      absl::StrCat("The data changed since: ", gone.size(), " of ", all,
                                   " files of split.csv are not in ", record.origin, " any more."),
                      gone});
  return findings;
}

}  // namespace pipeline
