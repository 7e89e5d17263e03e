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

constexpr size_t kNamedSamples = 4;
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

// Of the first parameter whose gradient is not finite.
std::string NameOfBadGradient(const Graph& graph) {
  for (const auto& [name, tensor] : graph.State()) {
    const at::Tensor& gradient = tensor.grad();
    if (gradient.defined() && !gradient.isfinite().all().item<bool>()) return name;
  }
  return "a parameter";
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
      optimizer_(options_, graph->Parameters()),
      monitor_(DirectionOf(options_.monitor(), graph)) {
  if (context.precision == Train::FP16) scaler_.emplace();
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

template <class Call>
absl::Status Loop::Tell(const Call& call) const {
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
  SeedGenerators(Hash({step->seed, static_cast<uint64_t>(step->epoch),
                       static_cast<uint64_t>(step->phase) + (purpose << 8),
                       static_cast<uint64_t>(step->index)}));
}

absl::Status Loop::BadNumber(const Step& step, const std::string& what) const {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(step.samples.size(), kNamedSamples); ++i) {
    names.push_back(Shown(graph_.source().SampleName(step.phase, step.samples[i])));
  }
  if (step.samples.size() > kNamedSamples) names.push_back("...");
  return absl::InternalError(
      absl::StrCat(StepName(step), ", ", what,
                   "; a lower learning_rate or train.clip_norm may help; images of this batch: ",
                   absl::StrJoin(names, ", ")));
}

double Loop::Rate(const Step& step) const {
  const double factor = options_.schedule() == Train::PLATEAU ? monitor_.PlateauFactor() : 1;
  return LearningRate(options_, step.epoch, step.index, step.steps) * factor;
}

absl::Status Loop::Learn(const Step& step, double* loss) {
  const at::Tensor total = graph_.Output(options_.minimize());
  *loss = total.item<double>();
  const auto named = [](double value) { return std::isnan(value) ? "NaN" : "infinite"; };
  if (!std::isfinite(*loss)) {
    return BadNumber(step, absl::StrCat(graph_.Describe(options_.minimize()), ": ",
                                        options_.minimize(), " is ", named(*loss)));
  }
  if (step.phase != TRAIN) return absl::OkStatus();
  double norm = 0;
  const absl::Status learned = Caught([&] {
    optimizer_.ZeroGradients();
    (scaler_.has_value() ? scaler_->Scale(total) : total).backward();
    if (scaler_.has_value()) scaler_->Unscale(graph_.Parameters());
    norm = optimizer_.GradientNorm();
    if (scaler_.has_value()) scaler_->Update(std::isfinite(norm));
    learning_rate_ = Rate(step);
    // A gradient that is not finite would leave no weight as it was.
    if (std::isfinite(norm)) optimizer_.Step(learning_rate_, norm);
    return absl::OkStatus();
  });
  if (!learned.ok()) {
    return absl::Status(learned.code(),
                        absl::StrCat(StepName(step), ", backward: ", learned.message()));
  }
  // A scale that was too large is halved until it fits; at 1 it was not the scale.
  const bool overflowed = scaler_.has_value() && scaler_->scale() >= 1;
  if (std::isfinite(norm) || overflowed) return absl::OkStatus();
  return BadNumber(step,
                   absl::StrCat("backward: the gradient of ", NameOfBadGradient(graph_), " is ",
                                named(norm), " although ", options_.minimize(), " is ", *loss));
}

absl::Status Loop::Pass(Phase phase, int64_t epoch, Report* report) {
  Step step = FirstStep(phase, epoch);
  const c10::AutoGradMode gradients(phase == TRAIN);
  const double started = Now(), waited = graph_.source().WaitSeconds();
  int64_t images = 0;
  const auto event = [&](const Report* whole) {
    const double seconds = Now() - started;
    return PassEvent{step,
                     counters_,
                     images,
                     seconds,
                     Share(graph_.source().WaitSeconds() - waited, seconds),
                     learning_rate_,
                     whole};
  };
  graph_.SetTraining(phase == TRAIN);
  absl::Status status = Caught([&] { return graph_.source().Begin(step); });
  for (; status.ok() && step.index < step.steps; ++step.index) {
    if (InterruptSignal() != 0) {
      status = absl::CancelledError("interrupted");
      break;
    }
    Prepare(&step, kLearning);
    // Nothing of this batch can be read.
    if (step.samples.empty()) continue;
    if (phase == TRAIN && counters_.steps == 0) counters_.startup_seconds = ProcessAge();
    double loss = 0;
    status = graph_.Run(step);
    if (status.ok()) status = Caught([&] { return Learn(step, &loss); });
    if (!status.ok()) break;
    images += static_cast<int64_t>(step.samples.size());
    if (phase == TRAIN) ++counters_.steps;
    status = Tell([&](Observer* observer) { return observer->StepDone(event(nullptr), loss); });
  }
  const absl::Status ended = graph_.EndPhase(step, report);
  if (status.ok()) status = ended;
  const PassEvent whole = event(report);
  if (phase == TRAIN) {
    counters_.train_images += images;
    counters_.train_seconds += whole.seconds;
    counters_.train_wait_seconds += whole.seconds * whole.data_wait;
  }
  if (!status.ok()) return status;
  return Tell([&](Observer* observer) { return observer->PassDone(whole); });
}

absl::Status Loop::SettleNorms(int64_t epoch) {
  graph_.SetTraining(true);
  NormCalibration calibration(graph_.Modules());
  if (!calibration.needed()) return absl::OkStatus();
  const c10::NoGradGuard no_gradients;
  Step step = FirstStep(TRAIN, epoch);
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
    calibration.Expect(static_cast<int64_t>(step.samples.size()));
    status = graph_.RunUntil(step, nodes);
  }
  if (status.ok()) calibration.Keep();
  return status;
}

absl::Status Loop::Epoch(int64_t epoch) {
  Report train, validation;
  absl::Status status = Pass(TRAIN, epoch, &train);
  const bool used = HasValidation() || epoch + 1 == options_.epochs();
  if (status.ok() && used) status = SettleNorms(epoch);
  if (status.ok() && HasValidation()) status = Pass(VAL, epoch, &validation);
  if (!status.ok()) return status;
  ++counters_.epochs;
  counters_.seconds = Now() - started_;
  const bool best = HasValidation() ? monitor_.Judge(validation.Find(options_.monitor())) : true;
  const EpochEvent event = {
      epoch, counters_, train, HasValidation() ? &validation : nullptr, monitor_.defined(), best};
  return Tell([&](Observer* observer) { return observer->EpochDone(event); });
}

void Loop::Save(State* state) const {
  optimizer_.Save(state);
  monitor_.Save(state);
  if (scaler_.has_value()) scaler_->Save(state);
  for (const Graph::NodeEntry& node : graph_.nodes()) node.stage->Save(node.name, state);
  const auto number = [](int64_t count) { return static_cast<double>(count); };
  state->Put("loop.counters",
             {number(counters_.epochs), number(counters_.steps), number(counters_.train_images),
              counters_.train_seconds, counters_.train_wait_seconds, counters_.seconds,
              counters_.startup_seconds});
}

absl::Status Loop::Load(const State& state) {
  const auto numbers = state.Numbers("loop.counters", 7);
  if (!numbers.ok()) return numbers.status();
  const auto count = [&](int i) { return static_cast<int64_t>((*numbers)[i]); };
  counters_ = {count(0),      count(1),      count(2),     (*numbers)[3],
               (*numbers)[4], (*numbers)[5], (*numbers)[6]};
  absl::Status loaded = optimizer_.Load(state);
  if (loaded.ok() && scaler_.has_value()) loaded = scaler_->Load(state);
  for (const Graph::NodeEntry& node : graph_.nodes()) {
    if (loaded.ok()) loaded = node.stage->Load(node.name, state);
  }
  if (!loaded.ok()) return loaded;
  return monitor_.Load(state, HasValidation() ? counters_.epochs : 0);
}

Outcome Loop::Run() {
  started_ = Now() - counters_.seconds;
  Outcome outcome;
  for (int64_t epoch = counters_.epochs;
       epoch < options_.epochs() && outcome.status.ok() && outcome.stopped.empty(); ++epoch) {
    outcome.status = Epoch(epoch);
    const bool waited = options_.patience() > 0 && monitor_.waited() >= options_.patience();
    if (!outcome.status.ok() || !waited) continue;
    outcome.stopped =
        absl::StrCat("no better ", options_.monitor(), " for ", options_.patience(), " epochs");
  }
  outcome.monitored = monitor_.defined();
  outcome.best_epoch = monitor_.best_epoch();
  if (absl::IsCancelled(outcome.status)) outcome.stopped = "interrupted";
  const bool will_test = outcome.status.ok() && graph_.source().StepsIn(TEST) > 0;
  const TrainedEvent trained = {counters_, outcome.best_epoch, outcome.stopped, will_test};
  const absl::Status kept = Tell([&](Observer* observer) { return observer->Trained(trained); });
  if (outcome.status.ok()) outcome.status = kept;
  if (outcome.status.ok() && will_test) {
    Report test;
    outcome.status = Pass(TEST, counters_.epochs - 1, &test);
    if (outcome.status.ok()) outcome.test = std::move(test);
  }
  if (absl::IsCancelled(outcome.status)) outcome.stopped = "interrupted";
  if (!outcome.status.ok() && outcome.stopped.empty()) {
    outcome.stopped = std::string(outcome.status.message());
  }
  counters_.seconds = Now() - started_;
  outcome.counters = counters_;
  return outcome;
}

absl::Status Loop::TryOnce() {
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    if (graph_.source().StepsIn(phase) == 0) continue;
    Report report;
    const absl::Status status = Pass(phase, 0, &report);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pipeline
