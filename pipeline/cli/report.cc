// The verb `report`: the page of a run, made from what its folder holds.
#include <gflags/gflags.h>

#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/prediction/evaluation.h"
#include "pipeline/prediction/notable.h"
#include "pipeline/report/run_page.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_bool(bare, false, "");

namespace pipeline {
namespace {

// Of the images of TEST, by the run's weights.
absl::StatusOr<std::vector<Gallery>> PicturesOf(const std::string& folder) {
  const absl::StatusOr<Run> run = Run::Open(folder, {});
  if (!run.ok()) return run.status();
  Diagnostics errors;
  const LoadedGraph loaded = {run->config(), Graph::Create(run->config().document, &errors)};
  if (!errors.empty()) return errors.ToStatus();
  BuildContext context;
  context.writes = false;
  context.pretrained = false;
  absl::Status status = BuildGraph(loaded, &context);
  if (status.ok()) status = ReadWeights(run->WeightsFile(), loaded.graph.get());
  if (!status.ok()) return status;
  InstallInterruptHandler();
  Notable notable(loaded.graph.get());
  const absl::StatusOr<Report> seen = Evaluate({TEST}, loaded.graph.get(), [&](const Step& step) {
    notable.Look(step);
    return absl::OkStatus();
  });
  if (!seen.ok()) return seen.status();
  return notable.Galleries();
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
  absl::StatusOr<std::vector<Gallery>> galleries = std::vector<Gallery>();
  // A run that had no test has nothing to show.
  if (!FLAGS_bare && record->ending.has_value() && record->ending->tested) {
    galleries = PicturesOf(*folder);
  }
  if (!galleries.ok()) {
    const int signal = InterruptSignal();
    if (signal != 0) return Complain(galleries.status(), kSignal + signal);
    Complain(absl::UnavailableError(
                 absl::StrCat("no pictures of test images: ", galleries.status().message())),
             0);
    galleries = std::vector<Gallery>();
  }
  const std::string path = FLAGS_out.empty() ? absl::StrCat(*folder, "/report.html") : FLAGS_out;
  const absl::Status written = WriteReport(*folder, *galleries, path);
  if (!written.ok()) return Complain(written, kFailure);
  std::printf("%s\n", Shown(path).c_str());
  return 0;
}

}  // namespace

REGISTER_VERB({
    .name = "report",
    .arguments = "RUN",
    .help = "the page that says what came of a run, made anew from its folder\n"
            "RUN is a run's folder, or a config whose last run is meant. train writes the page at\n"
            "its end; this is for runs that are older, were killed, or still train. The page is\n"
            "one file, which any browser opens without network.",
    .flags = {{"out", "FILE.html", "the page's file (default: report.html in the run's folder)"},
              {"bare", "",
               "without pictures of test images: from the run's files alone, in a second"},
              PluginFlag()},
    .run = ReportRun,
});

}  // namespace pipeline
