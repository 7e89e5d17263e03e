// Graphs to safetensors and back.
#include "pipeline/runs/weights.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "pipeline/runs/safetensors.h"

namespace pipeline {

std::map<std::string, std::string> WeightsMetadata() { return {{"format", "pt"}}; }

absl::StatusOr<std::string> WriteWeights(const std::string& path, const Graph& graph) {
  return WriteSafetensors(path, graph.State(), WeightsMetadata());
}

absl::Status ReadWeights(const std::string& path, Graph* graph) {
  const NamedTensors state = graph->State();
  std::map<std::string, at::Tensor> left(state.begin(), state.end());
  const auto fits = [&left](const std::string& name, at::IntArrayRef shape) {
    const auto target = left.find(name);
    return target != left.end() && target->second.sizes() == shape;
  };
  const absl::StatusOr<NamedTensors> saved = ReadSafetensors(path, fits);
  if (!saved.ok()) return saved.status();
  const c10::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : *saved) {
    if (!fits(name, tensor.sizes())) break;
    left.at(name).copy_(tensor);
    left.erase(name);
  }
  if (left.empty() && saved->size() == state.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": not the weights that this run wrote"));
}

absl::Status BestWeights::Write() {
  absl::StatusOr<std::string> checksum = WriteWeights(path_, graph_);
  if (checksum.ok()) checksum_ = *std::move(checksum);
  return checksum.status();
}

absl::Status BestWeights::Save(State* state) const {
  state->PutText("weights.best", checksum_);
  return absl::OkStatus();
}

absl::Status BestWeights::Load(const State& state) {
  absl::StatusOr<std::string> checksum = state.Text("weights.best");
  if (checksum.ok()) checksum_ = *std::move(checksum);
  return checksum.status();
}

absl::Status BestWeights::EpochDone(const EpochEvent& event) {
  // Without validation every epoch would be "best": the last one is kept, at the end.
  return event.validation != nullptr && event.best ? Write() : absl::OkStatus();
}

absl::Status BestWeights::Trained(const TrainedEvent& event) {
  if (event.best_epoch < 0) return Write();
  const bool current = event.best_epoch + 1 == event.counters.epochs;
  return event.will_test && !current ? ReadWeights(path_, &graph_) : absl::OkStatus();
}

}  // namespace pipeline
