// Categorical cross entropy.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "kernels/simd.h"
#include "losses/categorical_cross_entropy.pb.h"
#include "losses/loss.h"

namespace losses {

// From log-softmax, so that it stays exact for confident logits.
class CategoricalCrossEntropy : public Loss, public PixelLoss {
 public:
  explicit CategoricalCrossEntropy(const CategoricalCrossEntropyOptions& options)
      : smoothing_(options.label_smoothing()) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor own = -AtTarget(input, input.log_probabilities());
    if (smoothing_ == 0) return PerSample(input, own);
    const at::Tensor all = -input.log_probabilities().mean(1);
    return PerSample(input, own * (1 - smoothing_) + all * smoothing_);
  }

  // Smoothing needs log p of every class, which blocks do not keep.
  const PixelLoss* pixel_form() const override { return smoothing_ == 0 ? this : nullptr; }
  bool uses_dp() const override { return false; }

  void Add(const Block& block, float scale) const override {
    kernels::Vectorized([&]() SIMD {
      const float* __restrict log_y = block.log_y;
      float* __restrict value = block.value;
      float* __restrict dlog = block.dlog;
      for (int i = 0; i < block.stride; ++i) {
        value[i] -= log_y[i];
        dlog[i] -= scale;
      }
    });
  }

 private:
  const double smoothing_;
};

REGISTER_PLUGIN(Losses, CategoricalCrossEntropy);

}  // namespace losses
