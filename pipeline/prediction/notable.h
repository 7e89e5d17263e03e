// The images of a test that are worth looking at: where the model is sure and wrong, where it does
// not know, and where it looks.
#ifndef PIPELINE_PREDICTION_NOTABLE_H_
#define PIPELINE_PREDICTION_NOTABLE_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/gallery.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/predictions.h"

namespace pipeline {

class Notable {
 public:
  // The graph must outlive this object.
  explicit Notable(Graph* graph) : graph_(*graph) {}

  // Looks at a step whose outputs are in the graph, and what JudgeStep said of it.
  absl::Status Look(const std::vector<Prediction>& rows);

  // Of classes: the surest mistakes, the least certain images, Grad-CAM of a few of each class. Of
  // masks: those that fit worst and a few others, with their errors. None where nothing was seen.
  // Runs the graph.
  absl::StatusOr<std::vector<Gallery>> Galleries();

 private:
  struct Seen {
    Prediction row;
    double rank = 0;    // the higher, the more it is worth
    at::Tensor image;   // uint8 [C, S, S], as the source gave it
    at::Tensor truth;   // int64 [S, S] of masks, else [] of classes
    at::Tensor answer;  // int64 [S, S] of masks
  };
  // Keeps the `most` that rank highest.
  static void Keep(Seen seen, size_t most, std::vector<Seen>* kept);

  void Take(const std::vector<Prediction>& rows);
  absl::StatusOr<Picture> OfImage(const Seen& seen) const;
  absl::StatusOr<Picture> OfMask(const Seen& seen) const;
  absl::StatusOr<at::Tensor> CamOf(const Seen& seen, int64_t predicted);
  absl::StatusOr<Gallery> Cams();

  Graph& graph_;
  std::vector<Seen> mistakes_, uncertain_;   // of classes
  std::vector<std::vector<Seen>> examples_;  // of each class
  std::vector<Seen> worst_, others_;         // of masks
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_NOTABLE_H_
