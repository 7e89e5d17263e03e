// The verb `train`, which is meant where none is named.
#include <cstdio>

#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/run_report.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/exceptions.h"
#include "pipeline/runs/run_folder.h"
#include "pipeline/training/device.h"
#include "pipeline/training/trainer.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

int TrainConfig(const CommandLine& line) {
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  BuildContext context;
  absl::Status status = BuildGraph(*loaded, &context);
  if (!status.ok()) return Complain(status, kMistake);
  Terminal terminal;
  Trainer trainer(loaded->config, context, loaded->graph.get(), &terminal);
  status = trainer.CheckMonitor();
  if (!status.ok()) return Complain(status, kMistake);
  absl::StatusOr<RunFolder> folder = RunFolder::Make(FLAGS_out, loaded->config.name);
  if (!folder.ok()) return Complain(folder.status(), kMistake);
  InstallInterruptHandler();
  if (context.device == "cpu") KeepFreedMemory();
  PrintHeader(trainer.Facts(), &terminal);
  status = Caught([&] { return trainer.Run(&*folder); });
  if (status.ok()) return 0;
  if (absl::IsCancelled(status)) return Complain(status, kSignal + InterruptSignal());
  Complain(status, kFailure);
  std::fprintf(stderr, "what was learned before is in %s\n", Shown(folder->path()).c_str());
  return kFailure;
}

}  // namespace

REGISTER_VERB({
    .name = "train",
    .arguments = "CONFIG",
    .help = "trains, tests, and writes the run's folder\n"
            "CONFIG is a path, or a file of the workspace's configs/.",
    .flags = {ConfigFlag(),
              SetFlag(),
              {"out", "DIR", "where the run's files go (default: runs/<config>/<time>)"},
              PluginFlag()},
    .run = TrainConfig,
});

}  // namespace pipeline
