// Graphs of runs, fed from outside.
#include "pipeline/prediction/member.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/xlogy.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/batchnorm.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "pipeline/diagnostics.h"
#include "pipeline/exceptions.h"
#include "pipeline/training/device.h"

namespace pipeline {
namespace {

constexpr int64_t kImageChannels = 3;

at::Tensor EntropyOf(const at::Tensor& probabilities) {
  return -at::xlogy(probabilities, probabilities).sum(1);
}

}  // namespace

absl::StatusOr<Member> Member::Open(const Run& run, BuildContext context) {
  if (run.data().channels != kImageChannels) {
    return absl::InvalidArgumentError(absl::StrCat(run.path(), ": was trained on images of ",
                                                   run.data().channels,
                                                   " channels, which image files do not have"));
  }
  Member member;
  Diagnostics errors;
  member.files_ = Graph::Create(run.config().document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  const auto* tiles = dynamic_cast<const TiledSource*>(&member.files_->source());
  // Drawn images are never cut.
  const bool cut = tiles != nullptr && !run.data().embedded_sample && tiles->TileSize() > 0;
  if (cut) member.tiles_ = tiles;
  absl::StatusOr<std::unique_ptr<Graph>> graph = run.MakeGraph(&context);
  if (!graph.ok()) return graph.status();
  member.graph_ = *std::move(graph);
  member.color_ = context.color;
  const std::optional<Graph::Judged> judged = member.graph_->FindJudged();
  if (!judged.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(run.path(), ": no node of its config reads logits and labels"));
  }
  member.edges_ = *judged;
  member.judged_ = member.graph_->nodes()[judged->logits.node].name;
  return member;
}

absl::StatusOr<at::Tensor> Member::Probabilities(const at::Tensor& images) {
  at::Tensor probabilities;
  const absl::Status status = Caught([&] {
    const c10::NoGradGuard no_gradients;
    dynamic_cast<GivenImages&>(graph_->source()).Give(images);
    Step step;
    step.phase = TEST;
    step.samples.assign(images.size(0), 0);
    const absl::Status run = graph_->RunUntil(step, {judged_});
    if (run.ok()) {
      probabilities = graph_->Output(edges_.logits).to(at::kFloat).softmax(1).cpu();
    }
    return run;
  });
  if (!status.ok()) return status;
  return probabilities;
}

absl::StatusOr<Graph*> Member::RunWithGradients(const at::Tensor& images,
                                                const at::Tensor& labels) {
  const absl::Status status = Caught([&] {
    const c10::AutoGradMode gradients(true);
    graph_->KeepFeatures(true);
    dynamic_cast<GivenImages&>(graph_->source()).Give(images, labels);
    step_.phase = TEST;
    step_.samples.assign(images.size(0), 0);
    return graph_->Run(step_);
  });
  graph_->KeepFeatures(false);
  if (!status.ok()) return status;
  return graph_.get();
}

void Member::DrawDropout(uint64_t seed) {
  SeedGenerators(seed);
  graph_->SetTraining(true);
  for (torch::nn::Module* module : graph_->Modules()) {
    for (const auto& layer : module->modules()) {
      if (layer->as<torch::nn::BatchNorm2d>() != nullptr) layer->eval();
    }
  }
}

Opinion Agree(const std::vector<at::Tensor>& probabilities) {
  at::Tensor mean = probabilities[0], entropies = EntropyOf(probabilities[0]);
  for (size_t i = 1; i < probabilities.size(); ++i) {
    mean = mean + probabilities[i];
    entropies = entropies + EntropyOf(probabilities[i]);
  }
  const auto count = static_cast<double>(probabilities.size());
  mean = mean / count;
  const at::Tensor entropy = EntropyOf(mean);
  return {mean, entropy, (entropy - entropies / count).clamp_min(0)};
}

}  // namespace pipeline
