// One-against-the-rest cross entropy on softmax probabilities.
#include <ATen/ATen.h>

#include "losses/binary_cross_entropy.pb.h"
#include "losses/loss.h"

namespace losses {

class BinaryCrossEntropy : public Loss {
 public:
  explicit BinaryCrossEntropy(const BinaryCrossEntropyOptions&) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor mine = AtTarget(input, input.log_probabilities());
    const at::Tensor rest =
        input.log_complements().sum(1) - AtTarget(input, input.log_complements());
    return PerSample(input, (mine + rest) * (-1.0 / static_cast<double>(input.classes())));
  }
};

REGISTER_PLUGIN(Losses, BinaryCrossEntropy);

}  // namespace losses
