// The verb `train`, which is meant where none is named.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/epoch_lines.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/files.h"
#include "pipeline/runs/curves.h"
#include "pipeline/runs/metrics_csv.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/summary.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/device.h"
#include "pipeline/training/loop.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

// "the weights of epoch 3 are in runs/a/weights.safetensors", as it is on disk.
std::string WhatWasKept(const Run& run, const BestWeights& weights, const Outcome& outcome) {
  if (!weights.written()) return absl::StrCat("no weights are in ", Shown(run.path()));
  return absl::StrCat(outcome.monitored
                          ? absl::StrCat("the weights of epoch ", outcome.best_epoch + 1, " are")
                          : "the latest weights are",
                      " in ", Shown(run.WeightsFile()));
}

// Tells how the run ended; the exit code.
int Tell(const Run& run, const DataInfo& data, const Outcome& outcome, const absl::Status& status,
         const std::string& kept, Terminal* terminal) {
  const bool cancelled = absl::IsCancelled(status);
  if (!status.ok() && !cancelled) {
    Complain(status, kFailure);
    std::fprintf(stderr, "%s\n", kept.c_str());
    return kFailure;
  }
  PrintResult(data, outcome, terminal);
  terminal->Line(absl::StrCat("run folder: ", Shown(run.path())));
  if (!cancelled) return 0;
  return Complain(
      absl::CancelledError(absl::StrCat("interrupted after ", outcome.counters.steps, " steps (",
                                        outcome.counters.epochs, " whole epochs); ", kept)),
      kSignal + InterruptSignal());
}

int TrainConfig(const CommandLine& line) {
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return Complain(loaded.status(), kMistake);
  const Document& document = loaded->config.document;
  Graph* graph = loaded->graph.get();
  BuildContext context;
  absl::Status status = BuildGraph(*loaded, &context);
  // Nothing is written for a run that cannot be.
  if (status.ok()) status = Loop(document, context, graph, {}).Check();
  if (!status.ok()) return Complain(status, kMistake);
  const absl::StatusOr<Run> run = Run::Create(FLAGS_out, loaded->config, *graph);
  if (!run.ok()) return Complain(run.status(), kMistake);

  Terminal terminal;
  Curves curves(run->File("tensorboard"), document.config.train().minimize(), graph);
  MetricsCsv metrics(run->File("metrics.csv"));
  BestWeights weights(run->WeightsFile(), graph);
  EpochLines lines(document.config.train(), graph, &terminal);
  Loop loop(document, context, graph, {&curves, &metrics, &weights, &lines});
  InstallInterruptHandler();
  if (context.device == "cpu") KeepFreedMemory();
  PrintHeader(loaded->config, context, *graph, &terminal);
  terminal.Line("");
  const Outcome outcome = loop.Run();
  const absl::Status summarised =
      WriteFileAtomically(run->File("summary.json"), SummaryText(loaded->config, context, outcome));
  status = outcome.status.ok() ? summarised : outcome.status;
  return Tell(*run, *context.data, outcome, status, WhatWasKept(*run, weights, outcome), &terminal);
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
