// The verb `report`: the page of a run, made from what its folder holds.
#include <gflags/gflags.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/prediction/page_extras.h"
#include "pipeline/report/run_page.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_bool(quick, false, "");

namespace pipeline {
namespace {

// What the run's data and weights tell, where they are there.
absl::StatusOr<PageExtras> MakeExtras(const std::string& folder) {
  const absl::StatusOr<Run> run = Run::Open(folder);
  if (!run.ok()) return run.status();
  BuildContext context;
  const absl::StatusOr<LoadedGraph> loaded = BuildOnData(*run, &context);
  if (!loaded.ok()) return loaded.status();
  const absl::Status read = ReadWeights(run->WeightsFile(), loaded->graph.get());
  if (!read.ok()) return read;
  InstallInterruptHandler();
  return ExtrasByPass(loaded->graph.get());
}

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
  PageExtras extras;
  if (!FLAGS_quick) {
    absl::StatusOr<PageExtras> made = MakeExtras(*folder);
    if (made.ok()) {
      extras = *std::move(made);
    } else if (InterruptSignal() != 0) {
      return Complain(made.status(), kSignal + InterruptSignal());
    } else {
      Complain(
          absl::InternalError(absl::StrCat("the page has no pictures: ", made.status().message())),
          0);
    }
  }
  const absl::Status written = WriteReport(*folder, extras, path);
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
            "that still train. The page is one file, and opens in any browser without network.\n"
            "The data are read again for its pictures.",
    .flags = {{"quick", "", "leaves out what needs the data: pictures, and what gives labels away"},
              {"out", "FILE.html", "the page's file (default: report.html in the run's folder)"},
              PluginFlag()},
    .run = ReportRun,
});

}  // namespace pipeline
