// Squared hinge.
#include <ATen/TensorOperators.h>

#include "losses/loss.h"
#include "squared_hinge.pb.h"

namespace losses {

class SquaredHinge : public Loss {
 public:
  explicit SquaredHinge(const SquaredHingeOptions& options) : margin_(options.margin()) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor own = (input.logits() * input.one_hot()).sum(1);
    const at::Tensor other = (input.logits() - 1e9 * input.one_hot()).amax(1);
    return PerSample(input, (margin_ - own + other).clamp_min(0).square());
  }

 private:
  const double margin_;
};

REGISTER_PLUGIN(Losses, SquaredHinge);

}  // namespace losses
