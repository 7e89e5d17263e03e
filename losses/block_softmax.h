// From a block's logits to its probabilities and what the losses want to know of the target.
#ifndef LOSSES_BLOCK_SOFTMAX_H_
#define LOSSES_BLOCK_SOFTMAX_H_

#include <vector>

#include "losses/block_memory.h"

namespace losses {

class BlockSoftmax {
 public:
  // Memory as FuseBlocks has it; `weight` may be nullptr: all 1. `stride` is that of Blocks.
  BlockSoftmax(const Layout& layout, int stride, const float* logits, const int64_t* labels,
               const float* weight)
      : layout_(layout), stride_(stride), logits_(logits), labels_(labels), weight_(weight) {}

  // y and weight. What lies beyond the pixels has no weight.
  void LoadLabels(const Span& span, Scratch* s) const;

  // p = exp(z - max z), and value = 1 / their sum. Beyond the pixels all logits are 0.
  void Exponentiate(const Span& span, Scratch* s) const;

  // Leaves p for a second pass in the block's part of the gradient, which is written only then; and
  // takes them back, as what Exponentiate leaves.
  void Keep(const Span& span, const Scratch& s, float* gradient) const;
  void Restore(const Span& span, float* gradient, Scratch* s) const;

  // From what Exponentiate leaves: p, rest, excess, and what is asked of the target.
  void Normalize(const Span& span, Scratch* s) const;

  // log_sum, after Normalize; one weight for each class.
  void SumLogs(const Span& span, const std::vector<float>& class_weights, Scratch* s) const;

 private:
  float* PlaneOf(float* gradient, const Span& span, int c) const;
  const float* RowOf(const Span& span, int c) const;
  void TakeLogits(const Span& span, Scratch* s) const;
  void TakeLogits(const Span& span, int pixel, Scratch* s) const;

  const Layout& layout_;
  const int stride_;
  const float* const logits_;
  const int64_t* const labels_;
  const float* const weight_;
};

}  // namespace losses

#endif  // LOSSES_BLOCK_SOFTMAX_H_
