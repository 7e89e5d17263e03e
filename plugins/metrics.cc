// Gathers counts on the device and reports what follows from them.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/histc.h>
#include <ATen/ops/zeros.h>

#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "pipeline/processes.h"
#include "pipeline/stage.h"
#include "plugins/metrics.pb.h"
#include "plugins/scores/confusion.h"
#include "plugins/scores/headlines.h"
#include "plugins/scores/tolerance.h"

namespace plugins {

using pipeline::Better;
using pipeline::ReportedValue;

class Metrics : public pipeline::Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Metrics>> Create(const MetricsOptions& options) {
    const std::set<int64_t> once(options.tolerance_px().begin(), options.tolerance_px().end());
    if (static_cast<int>(once.size()) < options.tolerance_px_size()) {
      return pipeline::OptionError("tolerance_px", "tolerance_px names a distance twice");
    }
    return std::make_unique<Metrics>(options);
  }

  explicit Metrics(const MetricsOptions& options) : options_(options) {}

  pipeline::Ports ports() const override { return {{"logits", "labels"}, {}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext* context) override {
    const absl::Status fits = pipeline::CheckLabels(in.at("logits"), in.at("labels"));
    if (!fits.ok()) return fits;
    classes_ = in.at("logits").shape[1];
    masks_ = in.at("labels").shape.size() > 1;
    if (context->data != nullptr) labels_ = context->data->classes;
    names_ = pipeline::ClassColumns(labels_, classes_);
    const at::Device device(context->device);
    counts_ = at::zeros({classes_ * classes_}, at::TensorOptions(at::kLong).device(device));
    processes_ = context->processes;
    const absl::Status tolerant = PrepareTolerance(device);
    if (!tolerant.ok()) return tolerant;
    return pipeline::Specs();
  }

  absl::Status Run(const pipeline::Step&, const pipeline::Tensors& in,
                   pipeline::Tensors*) override {
    const at::Tensor labels = in.at("labels");
    const at::Tensor predicted = in.at("logits").detach().argmax(1);
    counts_ += OfAll(Pairs(labels, predicted));
    if (!tolerance_.has_value()) return absl::OkStatus();
    const at::Tensor before = processes_ == nullptr ? at::Tensor() : tolerance_->counts().clone();
    tolerance_->Add(labels, predicted);
    if (before.defined()) {
      tolerance_->counts().copy_(before + OfAll(tolerance_->counts() - before));
    }
    return absl::OkStatus();
  }

  void EndPhase(const pipeline::Step& step, const std::string& node,
                pipeline::Report* report) override {
    const at::Tensor counts = counts_.cpu();
    Confusion confusion(classes_, std::vector<int64_t>(classes_));
    for (int64_t i = 0; i < classes_ * classes_; ++i) {
      confusion[i / classes_][i % classes_] = counts[i].item<int64_t>();
    }
    counts_.zero_();
    const ConfusionMetrics m = Evaluate(confusion);
    const auto add = [&](const std::string& name, double value, Better better = Better::kHigher,
                         ReportedValue::Kind kind = ReportedValue::kNumber) {
      report->Add({absl::StrCat(node, ".", name), value, better, kind, name});
    };
    add("accuracy", m.accuracy);
    add("balanced_accuracy", m.balanced_accuracy);
    add("weighted_precision", m.weighted_precision);
    add("weighted_recall", m.weighted_recall);
    add("weighted_f1", m.weighted_f1);
    add("macro_precision", m.macro_precision);
    add("macro_recall", m.macro_recall);
    add("macro_f1", m.macro_f1);
    add("mean_iou_present", m.mean_iou_present);
    add("mean_iou_all", m.mean_iou_all);
    add("mean_dice_present", m.mean_dice_present);
    add("majority_baseline", m.majority_baseline, Better::kNeither);
    add("mean_iou_present_majority", m.mean_iou_present_majority, Better::kNeither);
    add("mean_iou_all_majority", m.mean_iou_all_majority, Better::kNeither);
    add("classes_predicted", static_cast<double>(m.classes_predicted), Better::kNeither,
        ReportedValue::kCount);
    add("collapsed", m.collapsed ? 1 : 0, Better::kNeither, ReportedValue::kFlag);
    std::vector<RadiusScores> tolerant;
    if (tolerance_.has_value()) {
      const std::vector<ToleranceScores> scores = tolerance_->Take();
      for (size_t i = 0; i < scores.size(); ++i) {
        const int64_t radius = tolerance_->radii()[i];
        const std::string column = absl::StrCat("_tolerance_", radius, "px");
        add("precision" + column, scores[i].precision);
        add("recall" + column, scores[i].recall);
        add("f1" + column, scores[i].f1);
        tolerant.push_back({radius, scores[i]});
      }
    }
    for (int64_t i = 0; i < classes_; ++i) {
      if (masks_) {
        add("iou." + names_[i], m.iou[i]);
        add("dice." + names_[i], m.f1[i]);
      } else {
        add("recall." + names_[i], m.recall[i]);
        add("precision." + names_[i], m.precision[i]);
        add("f1." + names_[i], m.f1[i]);
      }
    }
    // While it learns, a model that predicts one class is no news.
    if (step.phase != pipeline::TRAIN) {
      if (masks_) {
        AddPixelHeadlines(m, tolerant, report);
      } else {
        AddImageHeadlines(m, report);
      }
      AddClasses(masks_, labels_, confusion, m, report);
    }
    report->AddMatrix("confusion_matrix", confusion);
  }

  void Save(const std::string& node, pipeline::State* state) const override {
    state->Put(node + ".counts", counts_);
    if (tolerance_.has_value()) state->Put(node + ".tolerance", tolerance_->counts());
  }

  absl::Status Load(const std::string& node, const pipeline::State& state) override {
    const absl::Status loaded = state.CopyTo(node + ".counts", counts_);
    if (!loaded.ok() || !tolerance_.has_value()) return loaded;
    return state.CopyTo(node + ".tolerance", tolerance_->counts());
  }

 private:
  // How often each pair of truth and prediction occurs.
  at::Tensor Pairs(const at::Tensor& labels, const at::Tensor& predicted) const {
    const int64_t all = classes_ * classes_;
    const at::Tensor counted = labels != pipeline::kIgnoredLabel;
    if (!labels.is_cpu()) {
      // Does not ask the GPU how many there are; a pair of -1 is outside and not counted.
      const at::Tensor pairs = (labels * classes_ + predicted).masked_fill_(~counted, -1);
      return at::histc(pairs, all, 0, all);
    }
    return at::bincount(labels.masked_select(counted) * classes_ + predicted.masked_select(counted),
                        {}, all);
  }

  // Counts of a step, over the processes that train: what is kept is the same on all.
  at::Tensor OfAll(const at::Tensor& counts) const {
    return processes_ == nullptr ? counts : processes_->Sum(counts);
  }

  absl::Status PrepareTolerance(const at::Device& device) {
    const bool asked = options_.has_foreground_class() || options_.tolerance_px_size() > 0;
    const std::string option =
        options_.has_foreground_class() ? "foreground_class" : "tolerance_px";
    if (!masks_ && asked) return pipeline::OptionError(option, option + " is for masks only");
    if (!masks_ || (!asked && classes_ != 2)) return absl::OkStatus();
    if (!options_.has_foreground_class() && classes_ != 2) {
      return pipeline::OptionError(
          option,
          absl::StrCat("tolerance_px needs a foreground_class, one of the ", classes_, " classes"));
    }
    const int64_t foreground = options_.has_foreground_class() ? options_.foreground_class() : 1;
    if (foreground >= classes_) {
      return pipeline::OptionError(
          option, absl::StrCat("foreground_class is ", foreground, ", but there are ", classes_,
                               " classes, counted from 0"));
    }
    std::vector<int64_t> radii(options_.tolerance_px().begin(), options_.tolerance_px().end());
    if (radii.empty()) radii = {0, 2};
    tolerance_.emplace(foreground, std::move(radii), device);
    return absl::OkStatus();
  }

  const MetricsOptions options_;
  int64_t classes_ = 0;
  bool masks_ = false;
  std::vector<std::string> labels_;  // names of the classes; none where the data do not tell
  std::vector<std::string> names_;   // of the classes, as parts of columns
  at::Tensor counts_;                // [classes * classes], truth * classes + prediction
  std::optional<ToleranceCounts> tolerance_;
  const pipeline::Processes* processes_ = nullptr;
};

REGISTER_PLUGIN(pipeline::Stages, Metrics);

}  // namespace plugins
