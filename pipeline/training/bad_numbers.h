// Where numbers that are not finite come from.
#ifndef PIPELINE_TRAINING_BAD_NUMBERS_H_
#define PIPELINE_TRAINING_BAD_NUMBERS_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/graph/graph.h"

namespace pipeline {

// "NaN" or "infinite".
const char* BadName(double value);

// What of a step's loss or gradient is not finite. A status of BadNumber is told from others.
absl::Status BadNumber(const std::string& message);
bool IsBadNumber(const absl::Status& status);

// The tensors' values, to be put back later. Made once for the same tensors; Keep may be called
// again.
class Kept {
 public:
  explicit Kept(std::vector<at::Tensor> tensors);
  void Keep();
  void PutBack() const;
  // Whether all values are finite now.
  bool AreFinite() const;

 private:
  const std::vector<at::Tensor> tensors_;
  std::vector<at::Tensor> copies_;
};

// Of the first node, in order, with an output that is not finite in the step that was last run:
// "node "classify" [plugins/Model] (a.pbtxt:3:1)"; "" where there is none.
std::string FirstBadNode(const Graph& graph);

// Of the first parameter whose gradient is not finite.
std::string BadGradientName(const Graph& graph);

// Positions in the batch of the step that was last run of the samples that, run alone (twice in a
// batch, for the sake of batch norm), give a `minimize` that is not finite or, where that is not,
// gradients that are not. At most the first 1024 are tried. What stages keep of such steps is not
// taken back; gradients are lost.
std::vector<size_t> BadSamples(const Step& step, const std::string& minimize, Graph* graph);

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_BAD_NUMBERS_H_
