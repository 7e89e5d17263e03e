// Smooth L1 on probabilities.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/where.h>

#include "kernels/simd.h"
#include "losses/loss.h"
#include "losses/smooth_l1.pb.h"

namespace losses {

using kernels::Select;

class SmoothL1 : public Loss, public PixelLoss {
 public:
  explicit SmoothL1(const SmoothL1Options& options) : beta_(options.beta()) {}

  LossValue operator()(const LossInput& input) override {
    const at::Tensor distance = (input.probabilities() - input.one_hot()).abs();
    if (beta_ == 0) return PerSample(input, distance.mean(1));
    const at::Tensor square = distance * distance * (0.5 / beta_);
    return PerSample(input, at::where(distance < beta_, square, distance - 0.5 * beta_).mean(1));
  }

  const PixelLoss* pixel_form() const override { return this; }

  void Add(const Block& block, float scale) const override {
    kernels::Vectorized([&]() SIMD {
      const auto beta = static_cast<float>(beta_);
      const float inverse = beta > 0 ? 1 / beta : 0;
      const int stride = block.stride;
      const float mean = 1.0F / static_cast<float>(block.classes), step = mean * scale;
      const int32_t* __restrict y = block.y;
      const float* __restrict rest_y = block.rest_y;
      float* __restrict value = block.value;
      for (int c = 0; c < block.classes; ++c) {
        const float* __restrict p = block.p + c * stride;
        float* __restrict dp = block.dp + c * stride;
        for (int i = 0; i < stride; ++i) {
          const bool here = y[i] == c;
          const float distance = Select(here, rest_y[i], p[i]);
          const bool near = distance < beta;
          const float square = 0.5F * inverse * distance * distance;
          value[i] += mean * Select(near, square, distance - 0.5F * beta);
          const float slope = step * Select(near, distance * inverse, 1);
          dp[i] += Select(here, -slope, slope);
        }
      }
    });
  }

  std::string gpu_form() const override {
    return R"({
      const float beta = P(0), inverse = beta > 0 ? 1 / beta : 0;
      for (int c = 0; c < CLASSES; ++c) {
        const float distance = y == c ? rest_y : p[c];
        const bool near = distance < beta;
        const float square = 0.5f * inverse * distance * distance;
        value += (near ? square : distance - 0.5f * beta) / CLASSES;
        const float slope = scale / CLASSES * (near ? distance * inverse : 1);
        dp[c] += y == c ? -slope : slope;
      }
    })";
  }
  std::vector<float> gpu_parameters(int64_t, int64_t) const override {
    return {static_cast<float>(beta_)};
  }

 private:
  const double beta_;
};

REGISTER_PLUGIN(Losses, SmoothL1);

}  // namespace losses
