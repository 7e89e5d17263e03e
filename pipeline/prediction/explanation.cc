// Gradients of logits and of terms, as maps.
#include "pipeline/prediction/explanation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>

#include "pipeline/exceptions.h"

namespace pipeline {
namespace {

constexpr double kHeat = 0.5;  // how much of the colors is seen

}  // namespace

absl::StatusOr<at::Tensor> GradCam(const Graph& graph, const at::Tensor& classes, int64_t side) {
  const at::Tensor features = graph.Features();
  const std::optional<Graph::Judged> judged = graph.FindJudged();
  if (!judged.has_value() || !features.defined()) {
    return absl::UnimplementedError("the model makes no feature map that its logits come from");
  }
  at::Tensor map;
  const absl::Status status = Caught([&] {
    const at::Tensor logits = graph.Output(judged->logits);
    const at::Tensor score = logits.gather(1, classes.to(logits.device()).unsqueeze(1)).sum();
    const at::Tensor gradient =
        torch::autograd::grad({score}, {features}, {}, /*retain_graph=*/true)[0].to(at::kFloat);
    const at::Tensor weights = gradient.mean({2, 3}, /*keepdim=*/true);
    map = (weights * features.detach().to(at::kFloat)).sum(1, /*keepdim=*/true).clamp_min(0);
    map = at::upsample_bilinear2d(map, {side, side}, /*align_corners=*/false).squeeze(1).cpu();
    const at::Tensor most = map.amax({1, 2}, /*keepdim=*/true);
    map = map / most.masked_fill(most == 0, 1);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return map;
}

absl::StatusOr<std::vector<Pull>> Pulls(const Step& step, Graph* graph) {
  const absl::StatusOr<NamedTensors> gradients = graph->TermGradients(step);
  if (!gradients.ok()) return gradients.status();
  std::vector<Pull> pulls;
  double sum = 0;
  for (const auto& [term, gradient] : *gradients) {
    Pull pull = {term, gradient.norm().item<double>()};
    if (pull.norm > 0) pull.towards = gradient.flatten().argmin().item<int64_t>();
    sum += pull.norm;
    pulls.push_back(pull);
  }
  for (Pull& pull : pulls) pull.share = sum > 0 ? pull.norm / sum : 0;
  std::stable_sort(pulls.begin(), pulls.end(),
                   [](const Pull& a, const Pull& b) { return a.norm > b.norm; });
  return pulls;
}

absl::StatusOr<NamedTensors> PullMaps(const Step& step, Graph* graph) {
  absl::StatusOr<NamedTensors> gradients = graph->TermGradients(step);
  if (!gradients.ok()) return gradients;
  for (auto& [term, gradient] : *gradients) {
    gradient = gradient.to(at::kFloat).norm(2, {1}).squeeze(0).cpu();
  }
  return gradients;
}

at::Tensor HeatOver(const at::Tensor& image, const at::Tensor& map) {
  const auto height = static_cast<int>(image.size(1)), width = static_cast<int>(image.size(2));
  const at::Tensor values = map.to(at::kFloat).contiguous();
  const float most = std::max(values.max().item<float>(), 1e-30F);
  const at::Tensor bytes = (values / most * 255).to(at::kByte).contiguous();
  const cv::Mat small(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_8UC1,
                      bytes.data_ptr());
  cv::Mat large, colors;
  cv::resize(small, large, {width, height}, 0, 0, cv::INTER_LINEAR);
  cv::applyColorMap(large, colors, cv::COLORMAP_VIRIDIS);
  const at::Tensor heat =
      at::from_blob(colors.data, {height, width, 3}, at::kByte).permute({2, 0, 1}).flip(0);
  return (image.to(at::kFloat) * (1 - kHeat) + heat.to(at::kFloat) * kHeat).to(at::kByte);
}

}  // namespace pipeline
