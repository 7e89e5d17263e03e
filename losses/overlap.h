// What Dice and Tversky share: sums of probabilities and targets over images.
#ifndef LOSSES_OVERLAP_H_
#define LOSSES_OVERLAP_H_

#include <ATen/core/Tensor.h>

#include "losses/loss.h"
#include "pipeline/processes.h"

namespace losses {

// Sums over the pixels of a unit: an image, or the whole batch. U is the number of units.
//
// Within a unit the weights are divided by their mean over the pixels that have any: scaling all
// weights of an image changes the image's part in the mean over the units, not its ratio.
struct Overlap {
  at::Tensor weight;        // [U], that mean; 0 where nothing has weight
  at::Tensor amount;        // [U], sum of the divided weights
  at::Tensor intersection;  // [U, C], sum of p t
  at::Tensor probability;   // [U, C], sum of p, or of p^2
  at::Tensor target;        // [U, C], sum of t
};

// While it lives, sums over the whole batch are those over the batches of all processes, on this
// thread; each has its part of the unit's weight, so that what they add up is the unit's once.
class SharedSums {
 public:
  explicit SharedSums(const pipeline::Processes* processes);  // nullptr: changes nothing
  SharedSums(const SharedSums&) = delete;
  ~SharedSums();
  // Whether sums over the whole batch were asked for while this one lived; forgets it.
  static bool WereAsked();
};

Overlap SumOverlap(const LossInput& input, bool whole_batch, bool squared);

// Weighs one loss per unit ([U]).
LossValue PerUnit(const Overlap& overlap, const at::Tensor& losses);

}  // namespace losses

#endif  // LOSSES_OVERLAP_H_
