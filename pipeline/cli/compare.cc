// The verb `compare`: one page over several runs.
#include <glob.h>

#include <cstdio>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/files.h"
#include "pipeline/report/comparison.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

// Folders that a word means: itself, or what it matches; sorted.
absl::StatusOr<std::vector<std::string>> FoldersOf(const std::string& word) {
  std::error_code error;
  if (std::filesystem::exists(word, error)) return std::vector<std::string>{word};
  glob_t found = {};
  const int code = glob(word.c_str(), GLOB_ONLYDIR, nullptr, &found);
  std::vector<std::string> folders;
  for (size_t i = 0; code == 0 && i < found.gl_pathc; ++i) {
    if (std::filesystem::is_directory(found.gl_pathv[i], error)) {
      folders.emplace_back(found.gl_pathv[i]);
    }
  }
  globfree(&found);
  if (!folders.empty()) return folders;
  const absl::StatusOr<std::string> folder = FolderOfRun(word);
  if (!folder.ok()) return folder.status();
  return std::vector<std::string>{*folder};
}

absl::StatusOr<std::vector<RunRecord>> RunsOf(const std::vector<std::string>& words) {
  std::vector<RunRecord> runs;
  std::set<std::filesystem::path> seen;
  for (const std::string& word : words) {
    const absl::StatusOr<std::vector<std::string>> folders = FoldersOf(word);
    if (!folders.ok()) return folders.status();
    for (const std::string& folder : *folders) {
      std::error_code error;
      if (!seen.insert(std::filesystem::weakly_canonical(folder, error)).second) continue;
      absl::StatusOr<RunRecord> run = ReadRunRecord(folder);
      if (!run.ok()) return run.status();
      runs.push_back(*std::move(run));
    }
  }
  if (runs.size() < 2) {
    return absl::InvalidArgumentError(
        "compare takes at least two runs: folders, or patterns such as 'runs/brats_vgg16/*'");
  }
  return runs;
}

int CompareRuns(const CommandLine& line) {
  absl::StatusOr<std::vector<RunRecord>> runs = RunsOf(line.words);
  if (!runs.ok()) return Complain(runs.status(), kMistake);
  if (FLAGS_json) {
    std::fputs(ComparisonText(*runs).c_str(), stdout);
    return 0;
  }
  const std::string path = FLAGS_out.empty() ? "comparison.html" : FLAGS_out;
  const absl::Status written = WriteFileAtomically(path, Html(ComparisonPage(*std::move(runs))));
  if (!written.ok()) return Complain(written, kFailure);
  std::printf("%s\n", Shown(path).c_str());
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "compare",
    .arguments = "RUN...",
    .help =
        "one page over several runs: scores, curves, configs, and whether chance explains it\n"
        "RUN is a run's folder, a pattern such as 'runs/brats_vgg16/*', or a config whose last\n"
        "run is meant. The others are compared to the first one; up to five runs are compared\n"
        "pair by pair. Runs that were not tested on the same images come with a warning.",
    .flags = {{"out", "FILE.html", "the page's file (default: comparison.html)"},
              {"json", "", "scores, differences and tests as JSON, and no page"},
              PluginFlag()},
    .run = CompareRuns,
});

}  // namespace pipeline
