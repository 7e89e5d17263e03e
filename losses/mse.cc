// Mean squared error on probabilities.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "kernels/simd.h"
#include "losses/loss.h"
#include "losses/mse.pb.h"

namespace losses {

using kernels::Select;

class Mse : public Loss, public PixelLoss {
 public:
  explicit Mse(const MseOptions&) {}

  LossValue operator()(const LossInput& input) override {
    return PerSample(input, (input.probabilities() - input.one_hot()).square().mean(1));
  }

  const PixelLoss* pixel_form() const override { return this; }

  void Add(const Block& block, float scale) const override {
    kernels::Vectorized([&]() SIMD {
      const int stride = block.stride;
      const float mean = 1.0F / static_cast<float>(block.classes), step = 2 * mean * scale;
      const int32_t* __restrict y = block.y;
      const float* __restrict rest_y = block.rest_y;
      float* __restrict value = block.value;
      for (int c = 0; c < block.classes; ++c) {
        const float* __restrict p = block.p + c * stride;
        float* __restrict dp = block.dp + c * stride;
        for (int i = 0; i < stride; ++i) {
          const float distance = Select(y[i] == c, -rest_y[i], p[i]);
          value[i] += mean * distance * distance;
          dp[i] += step * distance;
        }
      }
    });
  }

  std::string gpu_form() const override {
    return R"({
      for (int c = 0; c < CLASSES; ++c) {
        const float distance = y == c ? -rest_y : p[c];
        value += distance * distance / CLASSES;
        dp[c] += scale * 2 / CLASSES * distance;
      }
    })";
  }
};

REGISTER_PLUGIN(Losses, Mse);

}  // namespace losses
