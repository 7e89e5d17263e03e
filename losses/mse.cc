// Mean squared error on probabilities.
#include <ATen/ATen.h>

#include "losses/loss.h"
#include "losses/mse.pb.h"

namespace losses {

class Mse : public Loss {
 public:
  explicit Mse(const MseOptions&) {}

  LossValue operator()(const LossInput& input) override {
    return PerSample(input, (input.probabilities() - input.one_hot()).square().mean(1));
  }
};

REGISTER_PLUGIN(Losses, Mse);

}  // namespace losses
