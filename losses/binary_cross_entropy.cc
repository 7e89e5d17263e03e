// One-against-the-rest cross entropy on softmax probabilities.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "kernels/simd.h"
#include "losses/binary_cross_entropy.pb.h"
#include "losses/loss.h"

namespace losses {

using kernels::Select;

class BinaryCrossEntropy : public Loss, public PixelLoss {
 public:
  explicit BinaryCrossEntropy(const BinaryCrossEntropyOptions&) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor mine = AtTarget(input, input.log_probabilities());
    const at::Tensor rest =
        input.log_complements().sum(1) - AtTarget(input, input.log_complements());
    return PerSample(input, (mine + rest) * (-1.0 / static_cast<double>(input.classes())));
  }

  const PixelLoss* pixel_form() const override { return this; }

  // One logarithm for all wrong classes, of the product of 1 - p: only one factor can be below 1/2,
  // so it does not vanish.
  void Add(const Block& block, float scale) const override {
    kernels::Vectorized([&]() SIMD {
      const int stride = block.stride;
      const float mean = 1.0F / static_cast<float>(block.classes), step = mean * scale;
      const int32_t* __restrict y = block.y;
      const float* __restrict rest = block.rest;
      float* __restrict value = block.value;  // the product at first
      float* __restrict dlog = block.dlog;
      float* __restrict dtop = block.dtop;
      const float* __restrict log_y = block.log_y;
      const float* __restrict excess = block.excess;
      for (int i = 0; i < stride; ++i) value[i] = 1;
      for (int c = 0; c < block.classes; ++c) {
        const float* __restrict p = block.p + c * stride;
        float* __restrict dp = block.dp + c * stride;
        for (int i = 0; i < stride; ++i) {
          const bool wrong = y[i] != c, top = p[i] > 0.5F;
          const float other = Select(top, rest[i], 1 - p[i]);
          value[i] *= Select(wrong, other, 1);
          const float slope = Select(wrong, step, 0);
          dp[i] += Select(top, 0, slope / other);
          dtop[i] += Select(top, slope, 0);
        }
      }
      for (int i = 0; i < stride; ++i) {
        value[i] = -mean * (log_y[i] + kernels::Log(value[i]) - excess[i]);
        dlog[i] -= step;
      }
    });
  }

  std::string gpu_form() const override {
    return R"({
      float product = 1;
      for (int c = 0; c < CLASSES; ++c) {
        if (y == c) continue;
        const bool top = p[c] > 0.5f;
        const float other = top ? rest : 1 - p[c], slope = scale / CLASSES;
        product *= other;
        dp[c] += top ? 0 : slope / other;
        dtop += top ? slope : 0;
      }
      value -= (log_y + logf(product) - excess) / CLASSES;
      dlog -= scale / CLASSES;
    })";
  }
};

REGISTER_PLUGIN(Losses, BinaryCrossEntropy);

}  // namespace losses
