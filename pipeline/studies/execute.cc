// Runs of studies: the observers and files that they have.
#include "pipeline/studies/execute.h"

#include <ATen/core/Tensor.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/clock.h"
#include "pipeline/content_hash.h"
#include "pipeline/exceptions.h"
#include "pipeline/files.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/checkpoints.h"
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

namespace fs = std::filesystem;

constexpr char kResult[] = "result.json";
constexpr size_t kMaxResult = size_t{1} << 24;
constexpr char kSelected[] = "study.selected", kColumns[] = "study.columns",
               kValues[] = "study.values";

std::map<std::string, double> ValuesOf(const Report& report) {
  std::map<std::string, double> values;
  for (const ReportedValue& value : report.values()) values[value.column] = value.value;
  return values;
}

// What VAL says, and the end of a rung.
class Watch : public Observer {
 public:
  Watch(std::string column, int64_t epochs) : column_(std::move(column)), epochs_(epochs) {}

  absl::Status PassDone(const PassEvent& event) override {
    if (event.step.phase != TRAIN) evaluation_seconds_ += event.seconds;
    return absl::OkStatus();
  }

  absl::Status EpochDone(const EpochEvent& event) override {
    if (event.validation == nullptr) {
      return absl::FailedPreconditionError("a study selects by VAL, and these data have none");
    }
    selected_.push_back(event.validation->Find(column_));
    if (event.best || best_.empty()) best_ = ValuesOf(*event.validation);
    return absl::OkStatus();
  }

  absl::Status Paused(const PauseEvent& event) override {
    // Told once more, when the run is cut.
    paused_ = paused_ || (event.epoch_done && epochs_ > 0 && event.counters.epochs == epochs_);
    return paused_ ? absl::CancelledError("the rung is over") : absl::OkStatus();
  }

  absl::Status Save(State* state) const override {
    std::vector<std::string> columns;
    std::vector<double> values;
    for (const auto& [column, value] : best_) {
      columns.push_back(column);
      values.push_back(value);
    }
    state->Put(kSelected, selected_);
    state->PutText(kColumns, absl::StrJoin(columns, "\n"));
    state->Put(kValues, values);
    return absl::OkStatus();
  }

  absl::Status Load(const State& state) override {
    const auto selected = state.Numbers(kSelected), values = state.Numbers(kValues);
    const auto columns = state.Text(kColumns);
    if (!selected.ok()) return selected.status();
    if (!values.ok()) return values.status();
    if (!columns.ok()) return columns.status();
    const std::vector<std::string> names = absl::StrSplit(*columns, '\n', absl::SkipEmpty());
    if (names.size() != values->size()) return absl::DataLossError("study.values lacks a column");
    selected_ = *selected;
    best_.clear();
    for (size_t i = 0; i < names.size(); ++i) best_[names[i]] = (*values)[i];
    return absl::OkStatus();
  }

  bool paused() const { return paused_; }
  double evaluation_seconds() const { return evaluation_seconds_; }
  const std::vector<double>& selected() const { return selected_; }
  const std::map<std::string, double>& best() const { return best_; }

 private:
  const std::string column_;
  const int64_t epochs_;  // 0: to the end
  bool paused_ = false;
  double evaluation_seconds_ = 0;
  std::vector<double> selected_;
  std::map<std::string, double> best_;  // VAL's report at the best epoch
};

// A graph that is built, and what it was built from.
struct Built {
  LoadedConfig config;
  std::unique_ptr<Graph> graph;
  BuildContext context;
};

absl::StatusOr<Built> Build(const Plan& plan, const StudyRun& run, Pool* pool) {
  absl::StatusOr<LoadedConfig> config = ConfigOf(plan, run);
  if (!config.ok()) return config.status();
  Diagnostics errors;
  Built built = {*std::move(config), nullptr, {}};
  built.graph = Graph::Create(built.config.document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  const absl::Status chosen = ChooseHardware(built.config, &built.context);
  if (!chosen.ok()) return chosen;
  built.context.pool = pool;
  const std::string cache = CacheFolder();
  if (!cache.empty()) built.context.facts_folder = cache + "facts/";
  absl::Status status = Caught([&] { return built.graph->Build(&built.context); });
  if (status.ok()) {
    status = Loop(built.config.document, built.context, built.graph.get(), {}).Check();
  }
  if (!status.ok()) return status;
  return built;
}

// Of everything that the run's result depends on.
std::string IdentityOf(const State& facts) {
  std::string all;
  for (const auto& [name, tensor] : facts.tensors()) {
    const absl::StatusOr<std::string> text = facts.Text(name);
    if (text.ok()) absl::StrAppend(&all, name, " ", text->size(), "\n", *text);
  }
  return HashOf(all);
}

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

void Describe(const Built& built, StudyResult* result) {
  const DataInfo& data = *built.context.data;
  result->dataset = data.dataset;
  result->task = TaskName(data.task);
  result->embedded_sample = data.embedded_sample;
  result->device = built.context.device;
  result->precision = Train::Precision_Name(built.context.precision);
  for (const at::Tensor& parameter : built.graph->Parameters()) {
    result->parameters += parameter.numel();
  }
}

// What an earlier call, or another study, came to; nothing where the run is not over.
std::optional<StudyResult> Known(const std::string& folder, const StudyResult& asked) {
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(folder, "/", kResult), kMaxResult);
  if (!text.ok()) return std::nullopt;
  absl::StatusOr<StudyResult> known = ParseResultLine(*text);
  if (!known.ok() || known->identity != asked.identity) return std::nullopt;
  known->fingerprint = asked.fingerprint;
  known->config = asked.config;
  known->combination = asked.combination;
  known->seed = asked.seed;
  known->fold = asked.fold;
  known->stage = asked.stage;
  return *std::move(known);
}

// The run's folder, this process's alone.
struct Opened {
  Run run;
  RunLock lock;
  std::optional<State> state;
};

absl::StatusOr<Opened> Begin(const std::string& folder, const Built& built) {
  std::error_code error;
  fs::remove_all(folder, error);
  absl::StatusOr<Run> run = Run::Create(folder, built.config, *built.graph);
  if (!run.ok()) return run.status();
  absl::StatusOr<RunLock> lock = RunLock::Take(folder);
  if (!lock.ok()) return lock.status();
  return Opened{*std::move(run), *std::move(lock), std::nullopt};
}

absl::StatusOr<Opened> Open(const std::string& folder, const Built& built) {
  absl::StatusOr<Resumed> resumed = Reopen(folder);
  // Another process is at it.
  if (absl::IsFailedPrecondition(resumed.status())) return resumed.status();
  if (!resumed.ok()) return Begin(folder, built);
  if (resumed->state.has_value()) {
    const absl::Status best = RestoreBestWeights(resumed->run, *resumed->state, *built.graph);
    if (!best.ok()) return Begin(folder, built);
  }
  return Opened{std::move(resumed->run), std::move(resumed->lock), std::move(resumed->state)};
}

void Remove(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
}

absl::Status Finish(const Plan& plan, const Built& built, const Run& run, const Outcome& outcome,
                    const StudyResult& result) {
  absl::Status status = WriteFileAtomically(run.File("summary.json"),
                                            SummaryText(built.config, built.context, outcome));
  if (status.ok()) status = WriteFileAtomically(run.File(kResult), ResultLine(result));
  if (!status.ok()) return status;
  Remove(run.File("checkpoints"));
  if (plan.file.study.keep() != Study::WEIGHTS) Remove(run.WeightsFile());
  return absl::OkStatus();
}

absl::Status TrainRun(const Plan& plan, const Built& built, const std::string& folder,
                      int64_t epochs, StudyResult* into) {
  absl::StatusOr<Opened> opened = Open(folder, built);
  if (!opened.ok()) return opened.status();
  const Run& run = opened->run;
  const Train& options = built.config.document.config.train();
  Graph* graph = built.graph.get();
  MetricsCsv metrics(run.File("metrics.csv"));
  PredictionsCsv predictions(run.File("predictions.csv"), graph);
  BestWeights weights(run.WeightsFile(), graph);
  Checkpoints checkpoints(run.File("checkpoints"), options, FactsOf(built.config, built.context));
  Watch watch(plan.file.study.select(), epochs < options.epochs() ? epochs : 0);
  Loop loop(built.config.document, built.context, graph,
            {&metrics, &predictions, &weights, &checkpoints, &watch});
  if (opened->state.has_value()) {
    const absl::Status loaded = loop.Load(*opened->state);
    if (!loaded.ok()) return loaded;
  }
  const Outcome outcome = loop.Run();
  StudyResult& result = *into;
  result.epochs = outcome.counters.epochs;
  result.best_epoch = outcome.best_epoch + 1;
  result.training_seconds = outcome.counters.train_seconds;
  result.evaluation_seconds = watch.evaluation_seconds();
  result.selected = watch.selected();
  result.validation = watch.best();
  if (watch.paused()) {
    result.status = RunStatus::kPaused;
    return absl::OkStatus();
  }
  if (!outcome.status.ok()) return outcome.status;
  if (!outcome.test.has_value()) {
    return absl::FailedPreconditionError("a study compares by TEST, and these data have none");
  }
  result.test = ValuesOf(*outcome.test);
  return Finish(plan, built, run, outcome, result);
}

}  // namespace

absl::StatusOr<StudyResult> Execute(const Plan& plan, const StudyRun& run,
                                    const StudyFolder& folder, int64_t epochs, Pool* pool) {
  const double begun = Now();
  StudyResult result = ResultOf(plan, run);
  result.host = HostName();
  absl::Status status = Caught([&] {
    absl::StatusOr<Built> built = Build(plan, run, pool);
    if (!built.ok()) return built.status();
    Describe(*built, &result);
    result.identity = IdentityOf(FactsOf(built->config, built->context));
    const std::string path = folder.RunFolder(result.identity);
    std::optional<StudyResult> known = Known(path, result);
    if (known.has_value()) {
      result = *std::move(known);
      return absl::OkStatus();
    }
    return TrainRun(plan, *built, path, epochs, &result);
  });
  if (absl::IsCancelled(status)) return status;
  if (!status.ok()) {
    result.status = RunStatus::kFailed;
    result.error = std::string(status.message());
    result.validation.clear();
  }
  if (result.seconds == 0) result.seconds = Now() - begun;
  return result;
}

void Discard(const StudyFolder& folder, const StudyResult& result) {
  const std::string path = folder.RunFolder(result.identity);
  Remove(path + "/checkpoints");
  Remove(path + "/weights.safetensors");
}

namespace {

// Ends a run once it says how long a step takes.
class Pace : public Observer {
 public:
  absl::Status StepDone(const PassEvent& event, double) override {
    constexpr int64_t kSteps = 10;
    constexpr double kSeconds = 5;
    steps_ = event.step.index + 1;
    if (steps_ == 1) first_ = event.seconds;
    seconds_ = event.seconds;
    const bool known = steps_ > 1 && (steps_ > kSteps || seconds_ > kSeconds);
    return known || event.step.steps == steps_ ? absl::CancelledError("known") : absl::OkStatus();
  }

  // The first step makes what the others use.
  double first() const { return first_; }
  double PerStep() const {
    return steps_ > 1 ? (seconds_ - first_) / static_cast<double>(steps_ - 1) : seconds_;
  }

 private:
  int64_t steps_ = 0;
  double first_ = 0, seconds_ = 0;
};

}  // namespace

absl::StatusOr<double> EstimateSeconds(const Plan& plan, const StudyRun& run, Pool* pool) {
  const double begun = Now();
  const absl::StatusOr<Built> built = Build(plan, run, pool);
  if (!built.ok()) return built.status();
  const double start = Now() - begun;
  Pace pace;
  Loop loop(built->config.document, built->context, built->graph.get(), {&pace});
  const Outcome outcome = loop.Run();
  if (!absl::IsCancelled(outcome.status)) return outcome.status;
  // A step without backward takes about a third.
  const Source& source = built->graph->source();
  const auto epochs = static_cast<double>(built->config.document.config.train().epochs());
  const double steps = epochs * (static_cast<double>(source.StepsIn(TRAIN)) +
                                 static_cast<double>(source.StepsIn(VAL)) / 3) +
                       static_cast<double>(source.StepsIn(TEST)) / 3;
  return start + pace.first() + steps * pace.PerStep();
}

}  // namespace pipeline
