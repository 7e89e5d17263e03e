// Gathers a confusion matrix on the device and reports what follows from it.
#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "pipeline/stage.h"
#include "plugins/confusion.h"
#include "plugins/metrics.pb.h"

namespace plugins {

class Metrics : public pipeline::Stage {
 public:
  explicit Metrics(const MetricsOptions&) {}

  pipeline::Ports ports() const override { return {{"logits", "labels"}, {}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext* context) override {
    const absl::Status fits = pipeline::CheckLabels(in.at("logits"), in.at("labels"));
    if (!fits.ok()) return fits;
    classes_ = in.at("logits").shape[1];
    counts_ = at::zeros({classes_ * classes_},
                        at::TensorOptions(at::kLong).device(at::Device(context->device)));
    return pipeline::Specs();
  }

  absl::Status Run(const pipeline::Step&, const pipeline::Tensors& in,
                   pipeline::Tensors*) override {
    const at::Tensor labels = in.at("labels");
    const at::Tensor predicted = in.at("logits").detach().argmax(1);
    const at::Tensor counted = labels != pipeline::kIgnoredLabel;
    const at::Tensor pairs =
        labels.masked_select(counted) * classes_ + predicted.masked_select(counted);
    counts_ += at::bincount(pairs, {}, classes_ * classes_);
    return absl::OkStatus();
  }

  void EndPhase(const pipeline::Step&, const std::string& node, pipeline::Report* report) override {
    const at::Tensor counts = counts_.cpu();
    Confusion confusion(classes_, std::vector<int64_t>(classes_));
    for (int64_t i = 0; i < classes_ * classes_; ++i) {
      confusion[i / classes_][i % classes_] = counts[i].item<int64_t>();
    }
    counts_.zero_();
    const ConfusionMetrics m = Evaluate(confusion);
    const auto add = [&](const char* name, double value) {
      report->Add(absl::StrCat(node, ".", name), value);
    };
    add("accuracy", m.accuracy);
    add("balanced_accuracy", m.balanced_accuracy);
    add("weighted_precision", m.weighted_precision);
    add("weighted_recall", m.weighted_recall);
    add("weighted_f1", m.weighted_f1);
    add("macro_precision", m.macro_precision);
    add("macro_recall", m.macro_recall);
    add("macro_f1", m.macro_f1);
    add("mean_iou", m.mean_iou);
    add("majority_baseline", m.majority_baseline);
    add("classes_predicted", static_cast<double>(m.classes_predicted));
    add("collapsed", m.collapsed ? 1 : 0);
    report->AddMatrix("confusion_matrix", confusion);
  }

 private:
  int64_t classes_ = 0;
  at::Tensor counts_;  // [classes * classes], truth * classes + prediction
};

REGISTER_PLUGIN(pipeline::Stages, Metrics);

}  // namespace plugins
