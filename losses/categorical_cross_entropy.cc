// Categorical cross entropy.
#include <ATen/ATen.h>

#include "losses/categorical_cross_entropy.pb.h"
#include "losses/loss.h"

namespace losses {

// From log-softmax, so that it stays exact for confident logits.
class CategoricalCrossEntropy : public Loss {
 public:
  explicit CategoricalCrossEntropy(const CategoricalCrossEntropyOptions& options)
      : smoothing_(options.label_smoothing()) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor own = -AtTarget(input, input.log_probabilities());
    if (smoothing_ == 0) return PerSample(input, own);
    const at::Tensor all = -input.log_probabilities().mean(1);
    return PerSample(input, own * (1 - smoothing_) + all * smoothing_);
  }

 private:
  const double smoothing_;
};

REGISTER_PLUGIN(Losses, CategoricalCrossEntropy);

}  // namespace losses
