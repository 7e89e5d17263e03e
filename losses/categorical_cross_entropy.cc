// Categorical cross entropy.
#include <ATen/ATen.h>

#include "losses/categorical_cross_entropy.pb.h"
#include "losses/loss.h"

namespace losses {

// -log softmax(z)_y, from log-softmax, so that it stays exact for confident logits.
class CategoricalCrossEntropy : public Loss {
 public:
  explicit CategoricalCrossEntropy(const CategoricalCrossEntropyOptions&) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor target = input.target().unsqueeze(1);
    return PerSample(input, -input.log_probabilities().gather(1, target).squeeze(1));
  }
};

REGISTER_PLUGIN(Losses, CategoricalCrossEntropy);

}  // namespace losses
