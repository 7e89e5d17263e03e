// The verb `report`: the page of a run, made from what its folder holds.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/report/run_page.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

int ReportRun(const CommandLine& line) {
  if (line.words.size() != 1) {
    return Complain(absl::InvalidArgumentError(
                        "report takes one run: a folder such as runs/brats_vgg16/20261128-003706, "
                        "or a config whose last run is meant"),
                    kMistake);
  }
  const absl::StatusOr<std::string> folder = FolderOfRun(line.words[0]);
  if (!folder.ok()) return Complain(folder.status(), kMistake);
  const absl::StatusOr<RunRecord> record = ReadRunRecord(*folder);
  if (!record.ok()) return Complain(record.status(), kMistake);
  const std::string path = FLAGS_out.empty() ? absl::StrCat(*folder, "/report.html") : FLAGS_out;
  const absl::Status written = WriteReport(*folder, {}, path);
  if (!written.ok()) return Complain(written, kFailure);
  std::printf("%s\n", Shown(path).c_str());
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "report",
    .arguments = "RUN",
    .help = "the page that says what came of a run, made anew from its folder\n"
            "RUN is a run's folder, or a config whose last run is meant.\n"
            "train writes it at its end; this is for runs that are older, that were killed, or\n"
            "that still train. The page is one file, and opens in any browser without network.",
    .flags = {{"out", "FILE.html", "the page's file (default: report.html in the run's folder)"},
              PluginFlag()},
    .run = ReportRun,
});

}  // namespace pipeline
