// Smooth L1 on probabilities.
#include <ATen/ATen.h>

#include "losses/loss.h"
#include "losses/smooth_l1.pb.h"

namespace losses {

class SmoothL1 : public Loss {
 public:
  explicit SmoothL1(const SmoothL1Options& options) : beta_(options.beta()) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor distance = (input.probabilities() - input.one_hot()).abs();
    if (beta_ == 0) return PerSample(input, distance.mean(1));
    const at::Tensor square = distance * distance * (0.5 / beta_);
    return PerSample(input, at::where(distance < beta_, square, distance - 0.5 * beta_).mean(1));
  }

 private:
  const double beta_;
};

REGISTER_PLUGIN(Losses, SmoothL1);

}  // namespace losses
