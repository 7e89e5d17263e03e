// A trained run that answers for images from outside; several make an ensemble.
#ifndef PIPELINE_PREDICTION_MEMBER_H_
#define PIPELINE_PREDICTION_MEMBER_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/run.h"
#include "pipeline/stage.h"
#include "pipeline/tiled_source.h"

namespace pipeline {

class Member {
 public:
  // A run with its weights on the device that `context` names. Runs whose images are no files of
  // three channels are refused.
  static absl::StatusOr<Member> Open(const Run& run, BuildContext context);

  // An image as the run's source would give it; by many threads at a time.
  absl::StatusOr<OutsideImage> Read(const std::string& path) const {
    return files_->source().ReadOutside(path, color_);
  }
  // The size of the tiles that the run's data were cut into; 0 where they were not.
  int64_t tile_size() const { return tiles_ == nullptr ? 0 : tiles_->TileSize(); }
  // The same of an image that is cut so, where they were.
  absl::StatusOr<TiledImage> ReadTiles(const std::string& path) const {
    return tiles_->ReadTiles(path, color_);
  }
  const Source& source() const { return files_->source(); }
  int64_t classes() const { return graph_->Spec(edges_.logits).shape[1]; }

  // Probabilities [N, classes], or [N, classes, S, S] of masks, float32 on the CPU, of uint8 images
  // [N, C, S, S].
  absl::StatusOr<at::Tensor> Probabilities(const at::Tensor& images);

  // Runs the whole graph on images with labels, int64 [N] or [N, S, S], keeping what Grad-CAM and
  // Pulls ask of it; it stays the member's. step() is that step.
  absl::StatusOr<Graph*> RunWithGradients(const at::Tensor& images, const at::Tensor& labels);
  const Step& step() const { return step_; }

  // From now on dropout draws as it does in training, from `seed` on; batch norm stays as it is.
  void DrawDropout(uint64_t seed);

 private:
  Member() = default;

  std::unique_ptr<Graph> files_;        // never built: its source reads images
  const TiledSource* tiles_ = nullptr;  // that source, where it cuts images
  std::unique_ptr<Graph> graph_;
  std::string judged_;  // the node that makes the logits
  Graph::Judged edges_;
  bool color_ = true;
  Step step_;
};

// What members say of the same images.
struct Opinion {
  at::Tensor probabilities;       // [N, classes, ...]: their mean
  at::Tensor entropy;             // [N, ...], nats, of the mean
  at::Tensor mutual_information;  // [N, ...], nats: the entropy less the members' mean entropy
};

// `probabilities`: at least one tensor, all of one shape. Source: Gal, Islam, Ghahramani 2017
// (BALD).
Opinion Agree(const std::vector<at::Tensor>& probabilities);

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_MEMBER_H_
