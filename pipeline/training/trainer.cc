// The loop over epochs, phases and steps.
#include "pipeline/training/trainer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/text.h"
#include "pipeline/exceptions.h"
#include "pipeline/files.h"
#include "pipeline/runs/safetensors.h"
#include "pipeline/training/device.h"
#include "pipeline/training/norms.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

constexpr char kWeights[] = "weights.safetensors";
constexpr size_t kNamedSamples = 4;
// Batches that batch-norm statistics are averaged over: more change them little.
constexpr int64_t kNormSteps = 16;

std::atomic<int> interrupted{0};  // the signal

void OnInterrupt(int signal) {
  interrupted = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void InstallInterruptHandler() {
  std::signal(SIGINT, OnInterrupt);
  std::signal(SIGTERM, OnInterrupt);
}

int InterruptSignal() { return interrupted; }

Trainer::Trainer(const LoadedConfig& loaded, const BuildContext& context, Graph* graph,
                 Terminal* terminal)
    : loaded_(loaded),
      options_(loaded.document.config.train()),
      context_(context),
      graph_(*graph),
      terminal_(*terminal),
      optimizer_(options_, graph->Parameters()) {}

absl::Status Trainer::CheckMonitor() const {
  if (!HasValidation()) return absl::OkStatus();
  Report empty;
  graph_.EndPhase(Step{VAL}, &empty);
  std::vector<std::string> columns;
  for (const auto& [column, value] : empty.values()) columns.push_back(column);
  if (std::find(columns.begin(), columns.end(), options_.monitor()) != columns.end()) {
    return absl::OkStatus();
  }
  Diagnostics errors;
  errors.Add(loaded_.document.where.Of("train.monitor"),
             absl::StrCat("train.monitor: nobody reports \"", options_.monitor(), "\"; there are: ",
                          absl::StrJoin(columns, ", "), DidYouMean(options_.monitor(), columns)));
  return errors.ToStatus();
}

absl::Status Trainer::Learn(const Step& step) {
  const at::Tensor loss = graph_.Output(options_.minimize());
  const double value = loss.item<double>();
  if (!std::isfinite(value)) {
    std::vector<std::string> names;
    for (size_t i = 0; i < std::min(step.samples.size(), kNamedSamples); ++i) {
      names.push_back(Shown(graph_.source().SampleName(step.phase, step.samples[i])));
    }
    if (step.samples.size() > kNamedSamples) names.push_back("...");
    return absl::InternalError(
        absl::StrCat("step ", step.index + 1, " of epoch ", step.epoch + 1, " (",
                     Phase_Name(step.phase), "), ", graph_.Describe(options_.minimize()), ": ",
                     options_.minimize(), " is ", std::isnan(value) ? "NaN" : "infinite",
                     "; a lower learning_rate or train.clip_norm may help; images of this batch: ",
                     absl::StrJoin(names, ", ")));
  }
  if (step.phase != TRAIN) return absl::OkStatus();
  const absl::Status learned = Caught([&] {
    optimizer_.ZeroGradients();
    loss.backward();
    learning_rate_ = Rate(step);
    optimizer_.Step(learning_rate_);
    return absl::OkStatus();
  });
  if (!learned.ok()) {
    return absl::Status(learned.code(),
                        absl::StrCat("step ", step.index + 1, " of epoch ", step.epoch + 1,
                                     ", backward: ", learned.message()));
  }
  if (!board_.has_value()) return absl::OkStatus();
  return board_->AddScalars(TRAIN, steps_ + 1,
                            {{absl::StrCat("step/", options_.minimize()), value},
                             {"step/learning_rate", learning_rate_}});
}

double Trainer::Rate(const Step& step) const {
  const double factor = options_.schedule() == Train::PLATEAU ? PlateauFactor(monitors_) : 1;
  return LearningRate(options_, step.epoch, step.index, step.steps) * factor;
}

void Trainer::ShowProgress(const Step& step, double started, int64_t images) {
  if (!terminal_.Due()) return;
  const double seconds = Now() - started;
  const int64_t done = step.index + 1;
  const double per_step = seconds / static_cast<double>(done);
  double left = per_step * static_cast<double>(step.steps - done);
  if (step.phase == TRAIN) {
    left += per_step * static_cast<double>(step.steps * (step.epochs - step.epoch - 1));
  }
  std::string terms;
  for (const auto& [name, value] : graph_.Live()) {
    absl::StrAppendFormat(&terms, "  %s %.4f", name, value);
  }
  terminal_.Live(absl::StrFormat(
      "epoch %d/%d %-5s %s %d/%d  %.1f images/s  data wait %.1f %%  eta %s%s", step.epoch + 1,
      step.epochs, Phase_Name(step.phase), Bar(done, step.steps), done, step.steps,
      static_cast<double>(images) / seconds, 100 * DataWait(seconds), Duration(left), terms));
}

double Trainer::DataWait(double seconds) const {
  const double waited = graph_.source().WaitSeconds() - waited_before_;
  return std::clamp(waited / std::max(seconds, 1e-9), 0.0, 1.0);
}

absl::Status Trainer::Pass(Phase phase, int64_t epoch, int64_t max_steps, Report* report) {
  Step step{phase,
            epoch,
            options_.epochs(),
            0,
            graph_.source().StepsIn(phase),
            static_cast<uint64_t>(options_.seed())};
  const c10::AutoGradMode gradients(phase == TRAIN);
  const double started = Now();
  waited_before_ = graph_.source().WaitSeconds();
  int64_t images = 0;
  graph_.SetTraining(phase == TRAIN);
  absl::Status status = graph_.source().Begin(step);
  for (; status.ok() && step.index < std::min(step.steps, max_steps); ++step.index) {
    if (interrupted) {
      status = absl::CancelledError("interrupted");
      break;
    }
    step.samples = graph_.source().Samples(step.index);
    step.repeats = graph_.source().Repeats(step.index);
    if (step.samples.empty()) continue;
    SeedGenerators(Hash({step.seed, static_cast<uint64_t>(step.epoch), static_cast<uint64_t>(phase),
                         static_cast<uint64_t>(step.index)}));
    if (phase == TRAIN && steps_ == 0) startup_seconds_ = ProcessAge();
    status = graph_.Run(step);
    if (status.ok()) status = Learn(step);
    const bool first = step.index == 0 && (step.epoch == 0 || phase == TEST);
    if (status.ok() && first) status = ShowImages(phase);
    if (status.ok() && step.index == 0 && phase != TRAIN) status = ShowMasks(step);
    if (!status.ok()) break;
    images += static_cast<int64_t>(step.samples.size());
    if (phase == TRAIN) ++steps_;
    ShowProgress(step, started, images);
  }
  graph_.EndPhase(step, report);
  const double seconds = Now() - started;
  if (phase == TRAIN) {
    train_images_ += images;
    train_seconds_ += seconds;
    train_wait_seconds_ += seconds * DataWait(seconds);
  }
  phase_images_per_second_ = static_cast<double>(images) / std::max(seconds, 1e-9);
  if (!status.ok() || folder_ == nullptr) return status;
  return AddRow(step, *report, seconds);
}

absl::Status Trainer::SettleNorms(int64_t epoch) {
  graph_.SetTraining(true);
  NormCalibration calibration(graph_.Modules());
  if (!calibration.needed()) return absl::OkStatus();
  const c10::NoGradGuard no_gradients;
  Step step{TRAIN,
            epoch,
            options_.epochs(),
            0,
            graph_.source().StepsIn(TRAIN),
            static_cast<uint64_t>(options_.seed())};
  absl::Status status = graph_.source().Begin(step);
  for (; status.ok() && step.index < std::min(step.steps, kNormSteps); ++step.index) {
    step.samples = graph_.source().Samples(step.index);
    step.repeats = graph_.source().Repeats(step.index);
    if (!step.samples.empty()) status = graph_.Run(step);
  }
  // What the stages gathered was reported before.
  Report ignored;
  graph_.EndPhase(step, &ignored);
  if (status.ok()) calibration.Keep();
  return status;
}

absl::Status Trainer::ShowImages(Phase phase) {
  if (!board_.has_value()) return absl::OkStatus();
  for (const Graph::NodeEntry& node : graph_.nodes()) {
    const auto images = node.outputs.find("images");
    if (images == node.outputs.end()) continue;
    const absl::Status shown =
        board_->AddImages(phase, steps_, absl::StrCat("images/", node.name), images->second);
    if (!shown.ok()) return shown;
  }
  return absl::OkStatus();
}

absl::Status Trainer::ShowMasks(const Step& step) {
  if (!board_.has_value()) return absl::OkStatus();
  for (const Graph::NodeEntry& node : graph_.nodes()) {
    const auto logits = node.inputs.find("logits"), labels = node.inputs.find("labels");
    if (logits == node.inputs.end() || labels == node.inputs.end()) continue;
    const at::Tensor masks = graph_.Output(labels->second);
    if (masks.dim() != 3) return absl::OkStatus();
    // Epochs differ in their predictions alone.
    absl::Status shown;
    if (step.epoch == 0 || step.phase == TEST) {
      shown = board_->AddMasks(step.phase, steps_, "masks/labels", masks);
    }
    if (!shown.ok()) return shown;
    return board_->AddMasks(step.phase, steps_, "masks/predictions",
                            graph_.Output(logits->second).argmax(1));
  }
  return absl::OkStatus();
}

absl::Status Trainer::AddRow(const Step& step, const Report& report, double seconds) {
  std::vector<std::pair<std::string, double>> values = report.values();
  values.emplace_back("learning_rate", step.phase == TRAIN ? learning_rate_ : NAN);
  values.emplace_back("images_per_second", phase_images_per_second_);
  values.emplace_back("seconds", seconds);
  values.emplace_back("data_wait", DataWait(seconds));
  const absl::Status shown = board_->AddScalars(step.phase, steps_, values);
  if (!shown.ok()) return shown;
  return folder_->AddRow({{"epoch", absl::StrCat(step.epoch + 1)},
                          {"phase", Phase_Name(step.phase)},
                          {"step", absl::StrCat(steps_)}},
                         values);
}

absl::Status Trainer::KeepWeights() {
  return WriteSafetensors(folder_->File(kWeights), graph_.State(), {{"format", "pt"}});
}

absl::Status Trainer::RestoreBest() {
  const NamedTensors state = graph_.State();
  std::map<std::string, at::Tensor> left(state.begin(), state.end());
  const auto fits = [&left](const std::string& name, at::IntArrayRef shape) {
    const auto target = left.find(name);
    return target != left.end() && target->second.sizes() == shape;
  };
  const absl::StatusOr<NamedTensors> saved = ReadSafetensors(folder_->File(kWeights), fits);
  if (!saved.ok()) return saved.status();
  const c10::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : *saved) {
    if (!fits(name, tensor.sizes())) break;
    left.at(name).copy_(tensor);
    left.erase(name);
  }
  if (left.empty() && saved->size() == state.size()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(folder_->File(kWeights), ": no longer the weights that this run wrote"));
}

absl::Status Trainer::EndEpoch(int64_t epoch, const Report& train, const Report& validation) {
  epochs_done_ = epoch + 1;
  std::string line = absl::StrFormat("epoch %*d/%d  train loss %.4f",
                                     static_cast<int>(absl::StrCat(options_.epochs()).size()),
                                     epoch + 1, options_.epochs(), train.Find(options_.minimize()));
  bool better = !HasValidation();
  if (HasValidation()) {
    double monitor = validation.Find(options_.monitor());
    // A value that is not a number is no better than any.
    if (std::isnan(monitor)) monitor = -std::numeric_limits<double>::infinity();
    better = best_epoch_ < 0 || monitor > monitors_[best_epoch_];
    monitors_.push_back(monitor);
    absl::StrAppendFormat(&line, "  val loss %.4f  val %s %.4f%s",
                          validation.Find(options_.minimize()), options_.monitor(), monitor,
                          better ? " (best)" : "");
  }
  absl::StrAppendFormat(&line, "  %.1f images/s  %s",
                        static_cast<double>(train_images_) / train_seconds_,
                        Duration(Now() - started_));
  terminal_.Line(line);
  if (!better) return absl::OkStatus();
  best_epoch_ = epoch;
  // Without validation every epoch would be "best": the last one is kept, at the end.
  return HasValidation() ? KeepWeights() : absl::OkStatus();
}

absl::Status Trainer::Run(RunFolder* folder) {
  folder_ = folder;
  board_.emplace(folder->File("tensorboard"));
  started_ = Now();
  absl::Status status = WriteFileAtomically(
      folder->File("config.pbtxt"),
      absl::StrCat("# Resolved from ", Shown(loaded_.path), ": no include, the data pinned.\n",
                   PrintText(loaded_.document.config)));
  const std::string& split = graph_.source().data().split_text;
  if (status.ok() && !split.empty()) {
    status = WriteFileAtomically(folder->File("split.csv"), split);
  }
  if (!status.ok()) return status;
  terminal_.Line("");
  std::string stopped;
  for (int64_t epoch = 0; epoch < options_.epochs() && status.ok(); ++epoch) {
    Report train, validation;
    status = Pass(TRAIN, epoch, INT64_MAX, &train);
    const bool used = HasValidation() || epoch + 1 == options_.epochs();
    if (status.ok() && used) status = SettleNorms(epoch);
    if (status.ok() && HasValidation()) status = Pass(VAL, epoch, INT64_MAX, &validation);
    if (status.ok()) status = EndEpoch(epoch, train, validation);
    if (status.ok() && options_.patience() > 0 && HasValidation() &&
        epoch - best_epoch_ >= options_.patience()) {
      stopped =
          absl::StrCat("no better ", options_.monitor(), " for ", options_.patience(), " epochs");
      terminal_.Line("stopped early: " + stopped);
      break;
    }
  }
  if (absl::IsCancelled(status)) return Finish("interrupted");
  if (status.ok()) return Finish(stopped);
  // A step that failed changed no weights: what was learned before it is worth keeping.
  if (best_epoch_ < 0 || !HasValidation()) KeepWeights().IgnoreError();
  return status;
}

absl::Status Trainer::Finish(const std::string& stopped) {
  const bool cancelled = stopped == "interrupted";
  const bool keep_last = !HasValidation() || best_epoch_ < 0;
  absl::Status status = keep_last ? KeepWeights() : absl::OkStatus();
  Report test;
  bool tested = false;
  if (status.ok() && !cancelled && graph_.source().StepsIn(TEST) > 0) {
    if (!keep_last && best_epoch_ + 1 < epochs_done_) status = RestoreBest();
    if (status.ok()) status = Pass(TEST, epochs_done_ - 1, INT64_MAX, &test);
    tested = status.ok();
  }
  if (absl::IsCancelled(status)) status = absl::OkStatus();
  if (!status.ok()) return status;
  const std::string reason = interrupted ? "interrupted" : stopped;
  const Report* result = tested ? &test : nullptr;
  const RunFacts facts = Facts(reason);
  status = folder_->WriteSummary(Summary(facts, result));
  if (!status.ok()) return status;
  PrintResult(facts, result, &terminal_);
  terminal_.Line(absl::StrCat("run folder: ", Shown(folder_->path())));
  if (!interrupted) return absl::OkStatus();
  return absl::CancelledError(
      absl::StrCat("interrupted after ", steps_, " steps (", epochs_done_, " whole epochs); ",
                   keep_last ? "the latest weights are"
                             : absl::StrCat("the weights of epoch ", best_epoch_ + 1, " are"),
                   " in ", Shown(folder_->File(kWeights))));
}

RunFacts Trainer::Facts(const std::string& stopped) const {
  RunFacts facts = {loaded_, context_};
  for (const at::Tensor& parameter : graph_.Parameters()) facts.parameters += parameter.numel();
  facts.notes = graph_.Notes();
  facts.validation = HasValidation();
  facts.epochs = epochs_done_;
  facts.best_epoch = best_epoch_ + 1;
  facts.steps = steps_;
  facts.seconds = Now() - started_;
  facts.images_per_second = static_cast<double>(train_images_) / std::max(train_seconds_, 1e-9);
  facts.data_wait = train_wait_seconds_ / std::max(train_seconds_, 1e-9);
  facts.startup_seconds = startup_seconds_;
  facts.stopped = stopped;
  return facts;
}

absl::Status Trainer::TryOnce() {
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    if (graph_.source().StepsIn(phase) == 0) continue;
    Report report;
    const absl::Status status = Pass(phase, 0, INT64_MAX, &report);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pipeline
