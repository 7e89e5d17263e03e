// Epochs, passes and steps.
#include "pipeline/training/loop.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/clock.h"
#include "pipeline/exceptions.h"
#include "pipeline/training/device.h"
#include "pipeline/training/norms.h"
#include "pipeline/training/signals.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

// Batches that batch-norm statistics are averaged over: more change them little.
constexpr int64_t kNormSteps = 16;
// What random draws of a step are for, beside its phase: statistics of a TRAIN batch draw otherwise
// than the step that learned from it.
constexpr uint64_t kLearning = 0, kSettling = 1;

// The values that stages report, without any step.
std::vector<ReportedValue> Columns(Graph* graph) {
  Report empty;
  // What fails here fails at the end of the first pass, and is said there.
  graph->EndPhase(Step{VAL}, &empty).IgnoreError();
  return empty.values();
}

Better DirectionOf(const std::string& column, Graph* graph) {
  for (const ReportedValue& value : Columns(graph)) {
    if (value.column == column) return value.better;
  }
  return Better::kNeither;
}

double Share(double part, double whole) { return std::clamp(part / std::max(whole, 1e-9), 0., 1.); }

}  // namespace

double Counters::ImagesPerSecond() const {
  return static_cast<double>(train_images) / std::max(train_seconds, 1e-9);
}

double Counters::DataWait() const { return Share(train_wait_seconds, train_seconds); }

double PassEvent::ImagesPerSecond() const {
  return static_cast<double>(images) / std::max(seconds, 1e-9);
}

Loop::Loop(const Document& document, const BuildContext& context, Graph* graph,
           std::vector<Observer*> observers)
    : document_(document),
      options_(document.config.train()),
      graph_(*graph),
      observers_(std::move(observers)),
      processes_(context.processes),
      optimizer_(options_, graph->Parameters()),
      monitor_(DirectionOf(options_.monitor(), graph)),
      buffers_(graph->Buffers()) {
  if (processes_ != nullptr) gradients_ = processes_->SumGradients(graph->Parameters());
  if (context.precision == Train::FP16) scaler_.emplace();
  if (options_.ema_decay() > 0) average_.emplace(options_.ema_decay(), graph->Parameters());
}

absl::Status Loop::Check() const {
  Diagnostics errors;
  const auto complain = [&](const std::string& option, const std::string& what) {
    errors.Add(document_.where.Of("train." + option), absl::StrCat("train.", option, ": ", what));
  };
  std::vector<std::string> usable;
  const ReportedValue* monitored = nullptr;
  const std::vector<ReportedValue> columns = Columns(&graph_);
  for (const ReportedValue& value : columns) {
    if (value.better != Better::kNeither) usable.push_back(value.column);
    if (value.column == options_.monitor()) monitored = &value;
  }
  if (monitored == nullptr) {
    complain("monitor", absl::StrCat("nobody reports \"", options_.monitor(),
                                     "\"; there are: ", absl::StrJoin(usable, ", "),
                                     DidYouMean(options_.monitor(), usable)));
  } else if (monitored->better == Better::kNeither) {
    complain("monitor", absl::StrCat("\"", options_.monitor(),
                                     "\" says nothing of how good an epoch is; there are: ",
                                     absl::StrJoin(usable, ", ")));
  }
  if (!HasValidation()) {
    constexpr char kNoSplit[] = "needs a validation split, and the data have none";
    if (options_.patience() > 0) complain("patience", kNoSplit);
    if (options_.schedule() == Train::PLATEAU) {
      complain("schedule", absl::StrCat("PLATEAU ", kNoSplit));
    }
  }
  return errors.ToStatus();
}

absl::Status Loop::Tell(const std::function<absl::Status(Observer*)>& call) const {
  absl::Status first;
  for (Observer* observer : observers_) {
    const absl::Status told = Caught([&] { return call(observer); });
    if (first.ok()) first = told;
  }
  return first;
}

Step Loop::FirstStep(Phase phase, int64_t epoch) const {
  return Step{phase,
              epoch,
              options_.epochs(),
              0,
              graph_.source().StepsIn(phase),
              static_cast<uint64_t>(options_.seed())};
}

void Loop::Prepare(Step* step, uint64_t purpose) {
  step->samples = graph_.source().Samples(step->index);
  step->repeats = graph_.source().Repeats(step->index);
  if (processes_ != nullptr) Agree(step);
  SeedGenerators(Hash({step->seed, static_cast<uint64_t>(step->epoch),
                       static_cast<uint64_t>(step->phase) + (purpose << 8),
                       static_cast<uint64_t>(step->index)}));
}

absl::Status Loop::TellPaused(bool epoch_done, bool best, bool interrupted) const {
  const std::function<absl::Status(State*)> save = [this](State* state) { return Save(state); };
  const int64_t before = place_.phase == VAL ? graph_.source().StepsIn(TRAIN) : 0;
  const PauseEvent event = {counters_, before + place_.index, epoch_done, best, interrupted, save};
  return Tell([&](Observer* observer) { return observer->Paused(event); });
}

void Loop::Note(const std::string& line) const {
  for (Observer* observer : observers_) observer->Noted(line);
}

double Loop::Rate(const Step& step) const {
  double factor = options_.schedule() == Train::PLATEAU ? monitor_.PlateauFactor() : 1;
  factor *= std::pow(0.5, static_cast<double>(counters_.rollbacks));
  return LearningRate(options_, step.epoch, step.index, step.steps) * factor;
}

absl::Status Loop::Pass(int64_t epoch, Place* place, Report* report) {
  const Phase phase = place->phase;
  Step step = FirstStep(phase, epoch);
  step.index = place->index;
  const c10::AutoGradMode gradients(phase == TRAIN);
  const double started = Now() - place->seconds;
  const double waited = graph_.source().WaitSeconds() - place->wait_seconds;
  const auto event = [&](const Report* whole) {
    place->seconds = Now() - started;
    place->wait_seconds = graph_.source().WaitSeconds() - waited;
    return PassEvent{step,
                     counters_,
                     place->images,
                     place->seconds,
                     Share(place->wait_seconds, place->seconds),
                     learning_rate_,
                     whole};
  };
  graph_.SetTraining(phase == TRAIN);
  group_ = Group();
  absl::Status status = Caught([&] { return graph_.source().Begin(step); });
  while (status.ok() && step.index < step.steps) {
    const bool alone = processes_ == nullptr, between = group_.batches == 0;
    if (alone && between && InterruptSignal() != 0) return absl::CancelledError("interrupted");
    Prepare(&step, kLearning);
    if (!alone && between && interrupted_) return absl::CancelledError("interrupted");
    if (phase == TRAIN && counters_.steps == 0) counters_.startup_seconds = ProcessAge();
    double loss = 0;
    // Nothing of the batch can be read.
    bool skipped = step.samples.empty();
    if (!skipped) status = Take(step, &loss, &skipped);
    if (status.ok()) status = ApplyLeft(step);
    if (!status.ok()) return status;
    if (!skipped) {
      place->images += Images(step);
      if (phase == TRAIN) ++counters_.steps;
      status = Tell([&](Observer* observer) { return observer->StepDone(event(nullptr), loss); });
    }
    place->index = ++step.index;
    // TEST begins anew where it was cut, and gradients are not kept.
    const bool pauses = phase != TEST && group_.batches == 0;
    if (status.ok() && pauses) status = TellPaused(false, false, false);
  }
  if (!status.ok()) return status;
  if (phase == TRAIN && HasValidation()) {
    State sums;
    SaveSums(&sums);
    train_sums_ = sums.Copy();
  }
  status = graph_.EndPhase(step, report);
  const PassEvent whole = event(report);
  if (phase == TRAIN) counters_ = SoFar();
  if (!status.ok()) return status;
  return Tell([&](Observer* observer) { return observer->PassDone(whole); });
}

absl::Status Loop::SettleNorms() {
  graph_.SetTraining(true);
  NormCalibration calibration(graph_.Modules());
  if (!calibration.needed()) return absl::OkStatus();
  const c10::NoGradGuard no_gradients;
  Step step = FirstStep(TRAIN, counters_.epochs);
  // Losses and metrics must not take these steps for training.
  std::vector<std::string> nodes;
  for (const Graph::NodeEntry& node : graph_.nodes()) {
    const auto& wanted = calibration.modules();
    const bool normalizes =
        std::find(wanted.begin(), wanted.end(), node.stage->module()) != wanted.end();
    if (normalizes) nodes.push_back(node.name);
  }
  absl::Status status = graph_.source().Begin(step);
  for (; status.ok() && step.index < std::min(step.steps, kNormSteps); ++step.index) {
    if (InterruptSignal() != 0) return absl::CancelledError("interrupted");
    Prepare(&step, kSettling);
    if (step.samples.empty()) continue;
    const int64_t images = Images(step);
    buffers_.Keep();
    calibration.Expect(images);
    status = graph_.RunUntil(step, nodes);
    // A batch with a bad number would make every later image one.
    if (!status.ok() || buffers_.AreFinite()) continue;
    buffers_.PutBack();
    calibration.Forget(images);
  }
  if (status.ok()) calibration.Keep();
  return status.ok() ? ShareBuffers() : status;
}

absl::Status Loop::Epoch() {
  const int64_t epoch = counters_.epochs;
  absl::Status status;
  if (place_.phase == TRAIN) {
    train_ = Report();
    status = Pass(epoch, &place_, &train_);
    if (!status.ok()) return status;
    place_ = Place{VAL};
  }
  if (HasValidation() || epoch + 1 == options_.epochs()) {
    if (average_.has_value()) average_->Use(true);
    if (place_.index == 0) status = SettleNorms();
  }
  Report validation;
  if (status.ok() && HasValidation()) status = Pass(epoch, &place_, &validation);
  if (!status.ok()) return status;
  ++counters_.epochs;
  place_ = Place{};
  counters_.seconds = Now() - started_;
  const bool best = HasValidation() ? monitor_.Judge(validation.Find(options_.monitor())) : true;
  const EpochEvent event = {
      epoch, counters_, train_, HasValidation() ? &validation : nullptr, monitor_.defined(), best};
  status = Tell([&](Observer* observer) { return observer->EpochDone(event); });
  if (!status.ok()) return status;
  if (average_.has_value()) average_->Use(false);
  return TellPaused(true, HasValidation() && best, false);
}

bool Loop::OutOfPatience() const {
  return options_.patience() > 0 && monitor_.waited() >= options_.patience();
}

absl::Status Loop::Epochs(std::string* stopped) {
  while (counters_.epochs < options_.epochs()) {
    if (OutOfPatience()) {
      *stopped =
          absl::StrCat("no better ", options_.monitor(), " for ", options_.patience(), " epochs");
      return absl::OkStatus();
    }
    const absl::Status status = Epoch();
    if (!status.ok() && !RollBack(status)) return status;
  }
  return absl::OkStatus();
}

Outcome Loop::Run() {
  started_ = Now() - counters_.seconds;
  Outcome outcome;
  outcome.status = Caught([&] {
    const absl::Status shared = ShareWeights();
    return shared.ok() ? Epochs(&outcome.stopped) : shared;
  });
  if (absl::IsCancelled(outcome.status)) {
    const absl::Status paused = TellPaused(false, false, true);
    if (!paused.ok()) outcome.status = paused;
  }
  outcome.monitored = monitor_.defined();
  outcome.best_epoch = monitor_.best_epoch();
  if (absl::IsCancelled(outcome.status)) outcome.stopped = "interrupted";
  // What is evaluated is what is kept.
  if (average_.has_value()) average_->Use(true);
  const bool will_test = outcome.status.ok() && graph_.source().StepsIn(TEST) > 0;
  const TrainedEvent trained = {counters_, outcome.best_epoch, outcome.stopped, will_test};
  const absl::Status kept = Tell([&](Observer* observer) { return observer->Trained(trained); });
  if (outcome.status.ok()) outcome.status = kept;
  if (outcome.status.ok() && will_test) outcome.status = Caught([&] { return ShareWeights(); });
  if (outcome.status.ok() && will_test) {
    Report test;
    Place place = {TEST};
    outcome.status = Pass(counters_.epochs - 1, &place, &test);
    if (outcome.status.ok()) outcome.test = std::move(test);
  }
  if (absl::IsCancelled(outcome.status)) outcome.stopped = "interrupted";
  if (!outcome.status.ok() && outcome.stopped.empty()) {
    outcome.stopped = std::string(outcome.status.message());
  }
  counters_.seconds = Now() - started_;
  outcome.counters = SoFar();
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    outcome.seconds[PhaseIndex(phase)] = graph_.profile().Seconds(phase);
  }
  return outcome;
}

absl::Status Loop::TryOnce() {
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    if (graph_.source().StepsIn(phase) == 0) continue;
    Report report;
    Place place = {phase};
    const absl::Status status = Pass(0, &place, &report);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pipeline
