// The verb `evaluate`: a trained run's metrics on a split, or on other data.
#include <gflags/gflags.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/prediction/evaluation.h"
#include "pipeline/runs/judging.h"
#include "pipeline/runs/summary.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

DEFINE_string(data, "", "");
DEFINE_string(split, "", "");

namespace pipeline {
namespace {

// TEST, or everything where other data are given.
absl::StatusOr<std::vector<Phase>> Phases() {
  const std::string named = FLAGS_split.empty() ? FLAGS_data.empty() ? "TEST" : "ALL" : FLAGS_split;
  if (named == "ALL") return std::vector<Phase>{TRAIN, VAL, TEST};
  Phase phase;
  if (Phase_Parse(named, &phase) && phase >= TRAIN) return std::vector<Phase>{phase};
  return absl::InvalidArgumentError(
      absl::StrCat("--split=", named, ": it is TEST, VAL, TRAIN or ALL"));
}

std::string SourceOf(const Document& document) {
  Diagnostics errors;
  return Graph::Create(document, &errors)->source_node().name;
}

// The run, reading --data where they are given.
absl::StatusOr<Run> OpenOnData(const CommandLine& line) {
  std::vector<std::string> sets = line.Values("set");
  absl::StatusOr<Run> run = OpenRun(line.words[0], sets);
  if (!run.ok() || FLAGS_data.empty()) return run;
  const std::string source = SourceOf(run->config().document);
  const bool plugin = absl::StartsWith(FLAGS_data, "[");
  sets.push_back(absl::StrCat(source, plugin ? ".dataset=" : ".dataset.root=", FLAGS_data));
  if (run->data().embedded_sample && !plugin) {
    sets.push_back(absl::StrCat(source, ".dataset.embedded_sample=false"));
  }
  return Run::Open(run->path(), sets);
}

// What --data may be, where it was a folder and could not be read as one of the run's dataset.
absl::Status WithHint(const absl::Status& status) {
  const bool other_classes = absl::IsFailedPrecondition(status);
  if (status.ok() || other_classes) return status;
  if (FLAGS_data.empty() || absl::StartsWith(FLAGS_data, "[")) return status;
  return absl::Status(status.code(),
                      absl::StrCat(status.message(),
                                   "\n--data may be a dataset too, as in --data='[datasets/Folder] "
                                   "{ root: \"",
                                   FLAGS_data, "\" }'"));
}

struct Evaluated {
  const Run& run;
  const BuildContext& context;
  const DataInfo& data;
  const std::vector<Phase>& phases;
  const Report& report;
  std::vector<std::string> notes;

  int64_t Images() const {
    int64_t images = 0;
    for (const Phase phase : phases) images += data.images[PhaseIndex(phase)];
    return images;
  }
  std::string Split() const {
    return phases.size() > 1 ? "all images" : Phase_Name(phases[0]) + " images";
  }
};

void PrintJson(const Evaluated& evaluated) {
  const DataInfo& data = evaluated.data;
  nlohmann::ordered_json result = {
      {"run", evaluated.run.path()},
      {"config", evaluated.run.config().name},
      {"dataset", data.dataset},
      {"data", data.origin},
      {"embedded_sample", data.embedded_sample},
      {"evaluated", evaluated.Split()},
      {"split", data.split},
      {"images", evaluated.Images()},
      {"seed", evaluated.context.seed},
      {"device", evaluated.context.device},
      {"precision", Train::Precision_Name(evaluated.context.precision)},
      {"notes", evaluated.notes},
      {"result", ReportJson(evaluated.report)},
  };
  std::fputs(JsonText(result).c_str(), stdout);
}

void PrintText(const Evaluated& evaluated) {
  Terminal terminal;
  const DataInfo& data = evaluated.data;
  std::vector<std::pair<std::string, std::string>> rows = {
      {"run", Shown(evaluated.run.path())},
      {"data", absl::StrCat(data.dataset, " from ", data.origin)},
      {"device", absl::StrCat(evaluated.context.device, ", ",
                              Train::Precision_Name(evaluated.context.precision))}};
  for (const std::string& note : evaluated.notes) rows.emplace_back("note", note);
  terminal.Table(rows);
  PrintReport(absl::StrCat("result on ", Thousands(evaluated.Images()), " ", evaluated.Split(),
                           data.embedded_sample ? " of the EMBEDDED SAMPLE" : ""),
              evaluated.report, &terminal);
}

int EvaluateRun(const CommandLine& line) {
  if (line.words.size() != 1) {
    return Complain(absl::InvalidArgumentError("evaluate takes one run: its folder, or a config "
                                               "whose last run is meant"),
                    kMistake);
  }
  const absl::StatusOr<std::vector<Phase>> phases = Phases();
  if (!phases.ok()) return Complain(phases.status(), kMistake);
  // What cannot be written is known before the work.
  absl::Status status = FLAGS_out.empty() ? absl::OkStatus() : AtomicFile(FLAGS_out).status();
  if (!status.ok()) return Complain(status, kMistake);
  const absl::StatusOr<Run> run = OpenOnData(line);
  if (!run.ok()) return Complain(WithHint(run.status()), kMistake);
  BuildContext context;
  const absl::StatusOr<LoadedGraph> loaded = BuildOnData(*run, &context);
  if (!loaded.ok()) return Complain(WithHint(loaded.status()), kMistake);
  status = ReadWeights(run->WeightsFile(), loaded->graph.get());
  if (!status.ok()) return Complain(status, kMistake);
  InstallInterruptHandler();
  Graph* graph = loaded->graph.get();
  Predictions predictions = EmptyPredictions(graph);
  std::string rows;
  const absl::StatusOr<Report> report = Evaluate(*phases, graph, [&](const Step& step) {
    if (FLAGS_out.empty()) return absl::OkStatus();
    predictions.rows = JudgeStep(step, graph);
    rows += RowsText(predictions);
    return absl::OkStatus();
  });
  if (!report.ok()) {
    const int signal = InterruptSignal();
    return Complain(report.status(), signal != 0 ? kSignal + signal : kFailure);
  }
  const Evaluated evaluated = {*run, context, *context.data, *phases, *report, graph->Notes()};
  if (evaluated.Images() == 0) {
    return Complain(absl::InvalidArgumentError(absl::StrCat(
                        context.data->origin, " has no ", evaluated.Split(), "; try --split=ALL")),
                    kMistake);
  }
  if (!FLAGS_out.empty()) status = WriteFileAtomically(FLAGS_out, HeaderText(predictions) + rows);
  if (FLAGS_json) {
    PrintJson(evaluated);
  } else {
    PrintText(evaluated);
  }
  return status.ok() ? 0 : Complain(status, kFailure);
}

}  // namespace

REGISTER_VERB({
    .name = "evaluate",
    .arguments = "RUN",
    .help = "metrics of a trained run on a split, or on other data\n"
            "RUN is a run's folder, or a config whose last run is meant. Nothing is learned and\n"
            "the run stays as it is.",
    .flags = {{"data", "DIR",
               "other images, in place of the run's data: a folder for the run's dataset, or\n"
               "a dataset such as '[datasets/Folder] { root: \"DIR\" }'; classes are known by\n"
               "their names"},
              {"split", "NAME",
               "TEST, VAL, TRAIN (not augmented) or ALL; TEST, with --data ALL, if not given"},
              {"out", "FILE.csv", "what is predicted of each image, as in predictions.csv"},
              {"json", "", "the result as JSON, and nothing else"},
              SetFlag(),
              PluginFlag()},
    .run = EvaluateRun,
});

}  // namespace pipeline
