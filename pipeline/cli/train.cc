// The verb `train`, which is meant where none is named.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/cli/epoch_lines.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/cli/train_beside.h"
#include "pipeline/exceptions.h"
#include "pipeline/files.h"
#include "pipeline/prediction/page_extras.h"
#include "pipeline/report/run_page.h"
#include "pipeline/runs/checkpoints.h"
#include "pipeline/runs/curves.h"
#include "pipeline/runs/judging.h"
#include "pipeline/runs/metrics_csv.h"
#include "pipeline/runs/resume.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/run_lock.h"
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

// A run that is ready to train: its folder is this process's.
struct Begun {
  LoadedGraph loaded;
  BuildContext context;
  Run run;
  RunLock lock;
  std::optional<State> state;      // what it goes on from
  std::vector<std::string> notes;  // for the header
};

// Reads the data and makes the model, and checks whether the loop can do what the config asks.
absl::Status Prepare(const LoadedGraph& loaded, BuildContext* context) {
  ShareConfig(context->processes, loaded.config.path);
  absl::Status status = BuildGraph(loaded, context);
  if (status.ok()) status = Loop(loaded.config.document, *context, loaded.graph.get(), {}).Check();
  return status.ok() ? CompareData(loaded.config, *context) : status;
}

absl::StatusOr<Begun> Begin(const CommandLine& line, const Processes* processes) {
  absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return loaded.status();
  BuildContext context;
  context.processes = processes;
  // Nothing is written for a run that cannot be.
  const absl::Status ready = Prepare(*loaded, &context);
  if (!ready.ok()) return ready;
  absl::StatusOr<Run> run = Run::Create(FLAGS_out, loaded->config, *loaded->graph);
  if (!run.ok()) return run.status();
  absl::StatusOr<RunLock> lock = RunLock::Take(run->path());
  if (!lock.ok()) return lock.status();
  return Begun{*std::move(loaded), context, *std::move(run), *std::move(lock), std::nullopt, {}};
}

absl::StatusOr<Begun> GoOn(CommandLine line, const std::string& folder,
                           const Processes* processes) {
  absl::StatusOr<Resumed> resumed = Reopen(folder);
  if (!resumed.ok()) return resumed.status();
  if (line.config.empty()) line.config = resumed->run.File("config.pbtxt");
  absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return loaded.status();
  const std::vector<std::string> allowed = absl::StrSplit(FLAGS_allow, ',', absl::SkipEmpty());
  Begun begun = {*std::move(loaded), {}, resumed->run, std::move(resumed->lock), std::nullopt, {}};
  begun.context.processes = processes;
  absl::Status status =
      CheckConfig(begun.run.config(), begun.loaded.config, allowed, &resumed->notes);
  begun.loaded.config.name = begun.run.config().name;
  if (status.ok()) status = Prepare(begun.loaded, &begun.context);
  if (status.ok()) status = CheckFacts(*resumed, begun.context, allowed, &resumed->notes);
  if (status.ok() && resumed->state.has_value()) {
    status = RestoreBestWeights(begun.run, *resumed->state, *begun.loaded.graph);
  }
  if (status.ok()) status = begun.run.ReplaceConfig(begun.loaded.config);
  if (!status.ok()) return status;
  begun.state = std::move(resumed->state);
  begun.notes = std::move(resumed->notes);
  return begun;
}

absl::StatusOr<Begun> BeginOrGoOn(const CommandLine& line, const Processes* processes) {
  if (FLAGS_resume.empty() && !FLAGS_allow.empty()) {
    return absl::InvalidArgumentError("--allow is for --resume");
  }
  if (FLAGS_resume.empty()) return Begin(line, processes);
  if (!FLAGS_out.empty()) {
    return absl::InvalidArgumentError("--out is for a new run; --resume goes on in its own folder");
  }
  if (FLAGS_resume != "latest") return GoOn(line, FLAGS_resume, processes);
  const absl::StatusOr<std::string> config = FindConfig(line.config);
  if (!config.ok()) return config.status();
  const absl::StatusOr<std::string> folder =
      LatestRun(std::filesystem::path(*config).stem().string());
  if (folder.ok()) return GoOn(line, *folder, processes);
  absl::StatusOr<Begun> begun = Begin(line, processes);
  if (begun.ok()) begun->notes.push_back(absl::StrCat(folder.status().message(), ": begins one"));
  return begun;
}

// Puts the loop where the state says, and tells where that is.
absl::Status Load(Begun* of, Loop* loop, Terminal* terminal) {
  ShareState(of->context.processes, &of->state);
  const Begun& begun = *of;
  for (const std::string& note : begun.notes) terminal->Line("note: " + note);
  if (!begun.state.has_value()) return absl::OkStatus();
  const absl::Status loaded = loop->Load(*begun.state);
  if (!loaded.ok()) {
    return absl::Status(loaded.code(), absl::StrCat("cannot go on from the checkpoint in ",
                                                    begun.run.path(), ": ", loaded.message()));
  }
  const Counters& done = loop->counters();
  terminal->Line(absl::StrCat("goes on after ", done.epochs, " whole epochs and ", done.steps,
                              " training steps"));
  if (done.epochs == begun.loaded.config.document.config.train().epochs()) return loaded;
  // What it says is not the end any more.
  std::error_code error;
  std::filesystem::remove(begun.run.File("summary.json"), error);
  return loaded;
}

// Tells how the run ended; the exit code.
int Tell(const Begun& begun, const Outcome& outcome, const absl::Status& status,
         const std::string& kept, const std::string& how_to_go_on) {
  const bool cancelled = absl::IsCancelled(status);
  if (!status.ok() && !cancelled) {
    Complain(status, kFailure);
    std::fprintf(stderr, "%s%s\n", kept.c_str(), how_to_go_on.c_str());
    return kFailure;
  }
  Terminal terminal(FLAGS_json);
  PrintResult(*begun.context.data, outcome, &terminal);
  terminal.Line(absl::StrCat("run folder: ", Shown(begun.run.path())));
  if (!cancelled) return 0;
  return Complain(absl::CancelledError(absl::StrCat("interrupted after ", outcome.counters.steps,
                                                    " steps (", outcome.counters.epochs,
                                                    " whole epochs); ", kept, how_to_go_on)),
                  // It may have asked another process.
                  kSignal + (InterruptSignal() != 0 ? InterruptSignal() : SIGTERM));
}

// Writes the run's page. One that cannot be made costs nobody a run.
void WritePage(const Begun& begun, const Outcome& outcome, Notable* notable, DataWatch* watch) {
  const absl::StatusOr<PageExtras> extras =
      ExtrasOf(*begun.context.data, outcome.test.has_value() ? notable : nullptr, watch);
  if (!extras.ok()) {
    Complain(absl::InternalError(
                 absl::StrCat("report.html has no pictures: ", extras.status().message())),
             0);
  }
  const absl::Status written = WriteReport(begun.run.path(), extras.ok() ? *extras : PageExtras());
  // A run that failed says why itself.
  if (!written.ok() && outcome.status.ok()) Complain(written, 0);
}

int TrainAndWrite(const CommandLine& line, const Processes* processes) {
  absl::StatusOr<Begun> begun = BeginOrGoOn(line, processes);
  if (!begun.ok()) return Complain(begun.status(), kMistake);
  const Run& run = begun->run;
  const LoadedConfig& config = begun->loaded.config;
  const Train& train = config.document.config.train();
  Graph* graph = begun->loaded.graph.get();

  Terminal terminal(FLAGS_quiet || FLAGS_json);
  if (train.profile()) graph->profile().Trace();
  Curves curves(run.File("tensorboard"), train.minimize(), graph);
  MetricsCsv metrics(run.File("metrics.csv"));
  Notable notable(graph);
  PredictionsCsv predictions(
      run.File("predictions.csv"), graph, processes,
      [&](const std::vector<Prediction>& rows) { return notable.Look(rows); });
  BestWeights weights(run.WeightsFile(), graph);
  EpochLines lines(train, graph, &terminal);
  Checkpoints checkpoints(run.File("checkpoints"), train, FactsOf(config, begun->context));
  DataWatch watch(graph);
  Loop loop(config.document, begun->context, graph,
            {&curves, &metrics, &predictions, &weights, &lines, &checkpoints, &watch});
  InstallInterruptHandler();
  if (begun->context.device == "cpu") KeepFreedMemory();
  PrintHeader(config, begun->context, *graph, &terminal);
  const absl::Status loaded = Load(&*begun, &loop, &terminal);
  if (!loaded.ok()) return Complain(loaded, kMistake);
  terminal.Line("");
  const Outcome outcome = loop.Run();
  const std::string summary = SummaryText(config, begun->context, outcome);
  const Processes::Alone alone(processes);  // the others may be gone
  const absl::Status summarised = WriteFileAtomically(run.File("summary.json"), summary);
  absl::Status status = outcome.status.ok() ? summarised : outcome.status;
  if (train.profile()) {
    const absl::Status traced =
        WriteFileAtomically(run.File("trace.json"), graph->profile().TraceText());
    if (status.ok()) status = traced;
  }
  WritePage(*begun, outcome, &notable, &watch);
  if (FLAGS_json) std::fputs(summary.c_str(), stdout);
  return Tell(*begun, outcome, status, WhatWasKept(run, weights, outcome),
              checkpoints.written() ? "; go on with --resume=" + Shown(run.path()) : "");
}

int TrainConfig(const CommandLine& line) {
  const absl::StatusOr<std::unique_ptr<Joined>> joined = JoinOthers();
  if (!joined.ok()) return Complain(joined.status(), kMistake);
  Joined* processes = joined->get();
  if (processes == nullptr) return TrainAndWrite(line, nullptr);
  if (processes->rank() > 0) return TrainBeside(line, processes);
  int code = kFailure;
  const absl::Status status = Caught([&] {
    code = TrainAndWrite(line, processes);
    return absl::OkStatus();
  });
  if (!status.ok()) Complain(status, code);
  if (code != 0 && code < kSignal) processes->Fail("rank 0 failed");
  return code;
}

}  // namespace

REGISTER_VERB({
    .name = "train",
    .arguments = "CONFIG",
    .help = "trains, tests, and writes the run's folder\n"
            "CONFIG is a path, or a file of the workspace's configs/. With --resume=RUN it may\n"
            "be left out: the run's own is meant.",
    .flags = {ConfigFlag(),
              SetFlag(),
              {"out", "DIR", "where the run's files go (default: runs/<config>/<time>)"},
              {"resume", "RUN",
               "goes on with a run that was cut off, from its last checkpoint, to the same\n"
               "result: a run's folder, or \"latest\" for the config's last run (where there\n"
               "is none, one begins)"},
              {"quiet", "", "prints the result alone"},
              {"json", "", "prints summary.json alone"},
              {"allow", "FIELDS",
               "changes, separated by commas, with which --resume goes on although it is not\n"
               "the same run any more: classify.model,train.seed,data"},
              PluginFlag()},
    .run = TrainConfig,
});

}  // namespace pipeline
