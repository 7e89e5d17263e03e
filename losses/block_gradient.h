// From a block's derivatives with respect to probabilities to the gradient of the logits.
#ifndef LOSSES_BLOCK_GRADIENT_H_
#define LOSSES_BLOCK_GRADIENT_H_

#include <vector>

#include "losses/block_memory.h"

namespace losses {

// Which of a block's derivatives are in use.
struct Derivatives {
  bool dp = false;                                  // dp and dtop
  const std::vector<float>* log_weights = nullptr;  // of dlog_sum, if that is
};

// Writes dL/dz of every pixel, times its weight, into `gradient`, laid out as the logits. What the
// block holds is used up.
void StoreGradient(const Layout& layout, const Span& span, int stride, const Derivatives& used,
                   Scratch* s, float* gradient);

}  // namespace losses

#endif  // LOSSES_BLOCK_GRADIENT_H_
