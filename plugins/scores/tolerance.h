// Agreement of predicted and true pixels of one class where a small distance is no mistake.
#ifndef PLUGINS_SCORES_TOLERANCE_H_
#define PLUGINS_SCORES_TOLERANCE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace plugins {

// Whether a pixel lies within `radius` pixels (Euclidean, between centers) of one that is set.
// set: bool [N, H, W]; the result likewise. Exact; time grows with the radius.
at::Tensor Dilated(const at::Tensor& set, int64_t radius);

struct ToleranceScores {
  double precision;  // share of the predicted pixels near which there is a true one; NaN for 0 / 0
  double recall;     // share of the true pixels near which there is a predicted one; likewise
  double f1;         // harmonic mean, an undefined ratio as 0; NaN where neither has any pixel
};

// Counts over many batches, on the device that they are on.
class ToleranceCounts {
 public:
  // A class, and for each result how near is near enough, in pixels.
  ToleranceCounts(int64_t foreground, std::vector<int64_t> radii, const at::Device& device);

  // labels, predicted: int64 [N, H, W]. Where labels are pipeline::kIgnoredLabel a pixel neither
  // counts nor lends itself as a neighbour.
  void Add(const at::Tensor& labels, const at::Tensor& predicted);

  // A result for each radius, from the sums over all that was added; then forgets it.
  std::vector<ToleranceScores> Take();

  const std::vector<int64_t>& radii() const { return radii_; }
  // What was added so far, int64: whoever writes to it sets it.
  const at::Tensor& counts() const { return counts_; }

 private:
  const int64_t foreground_;
  const std::vector<int64_t> radii_;
  at::Tensor counts_;  // int64: predicted, true; then for each radius how many of each are right
};

}  // namespace plugins

#endif  // PLUGINS_SCORES_TOLERANCE_H_
