// Why a model answers as it does: where in the image the answer comes from, and which term of the
// loss would change it most.
#ifndef PIPELINE_PREDICTION_EXPLANATION_H_
#define PIPELINE_PREDICTION_EXPLANATION_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/stage.h"

namespace pipeline {

// Grad-CAM of the classes [N] of the graph's last step, which ran with gradients and kept features:
// [N, S, S] from 0 to 1 (all 0 where nothing speaks for the class), S being the image's side.
// Source: Selvaraju et al. 2017: the feature maps weighted by the means of their gradients, cut at
// 0. UNIMPLEMENTED where the logits come from no feature map.
absl::StatusOr<at::Tensor> GradCam(const Graph& graph, const at::Tensor& classes, int64_t side);

// By how much a term of the loss moves one image's logits.
struct Pull {
  std::string term;
  double norm = 0;   // of its gradient with respect to the logits, as the term counts in the sum
  double share = 0;  // of all terms' norms
  int64_t towards = -1;  // the class whose logit a step of descent raises most; -1: none
};

// Of one image [1, C] at the graph's last step; the term that pulls hardest first.
absl::StatusOr<std::vector<Pull>> Pulls(const Step& step, Graph* graph);

// Of masks: each term's pull on the pixels, the norm over the classes: [S, S], at least 0.
absl::StatusOr<NamedTensors> PullMaps(const Step& step, Graph* graph);

// A map [S, S] in colors (viridis; its greatest value is the brightest) over a uint8 image
// [3, H, W], to whose size it is stretched.
at::Tensor HeatOver(const at::Tensor& image, const at::Tensor& map);

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_EXPLANATION_H_
