// Steps and passes as TensorBoard's events.
#include "pipeline/runs/curves.h"

#include <ATen/core/Tensor.h>

#include "absl/strings/str_cat.h"
#include "pipeline/runs/metrics_csv.h"

namespace pipeline {

absl::Status Curves::StepDone(const PassEvent& event, double loss) {
  const Step& step = event.step;
  absl::Status status;
  if (step.phase == TRAIN) {
    status = board_.AddScalars(
        TRAIN, event.counters.steps,
        {{absl::StrCat("step/", minimize_), loss}, {"step/learning_rate", event.learning_rate}});
  }
  if (step.index > 0) return status;
  // Images of later epochs would show nothing new.
  if (status.ok() && (step.epoch == 0 || step.phase == TEST)) status = ShowImages(event);
  if (status.ok() && step.phase != TRAIN) status = ShowMasks(event);
  return status;
}

absl::Status Curves::PassDone(const PassEvent& event) {
  return board_.AddScalars(event.step.phase, event.counters.steps, PassValues(event));
}

absl::Status Curves::ShowImages(const PassEvent& event) {
  // They were seen before anything was learned from them.
  const int64_t at = event.counters.steps - (event.step.phase == TRAIN ? 1 : 0);
  for (const Graph::NodeEntry& node : graph_.nodes()) {
    const auto images = node.outputs.find("images");
    if (images == node.outputs.end()) continue;
    const absl::Status shown =
        board_.AddImages(event.step.phase, at, absl::StrCat("images/", node.name), images->second);
    if (!shown.ok()) return shown;
  }
  return absl::OkStatus();
}

absl::Status Curves::ShowMasks(const PassEvent& event) {
  const Step& step = event.step;
  const std::optional<Graph::Judged> judged = graph_.FindJudged();
  if (!judged.has_value()) return absl::OkStatus();
  const at::Tensor& masks = graph_.Output(judged->labels);
  if (masks.dim() != 3) return absl::OkStatus();
  // Epochs differ in their predictions alone.
  absl::Status shown;
  if (step.epoch == 0 || step.phase == TEST) {
    shown = board_.AddMasks(step.phase, event.counters.steps, "masks/labels", masks);
  }
  if (!shown.ok()) return shown;
  return board_.AddMasks(step.phase, event.counters.steps, "masks/predictions",
                         graph_.Output(judged->logits).argmax(1));
}

}  // namespace pipeline
