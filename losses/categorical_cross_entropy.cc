// Categorical cross entropy.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include "kernels/simd.h"
#include "losses/categorical_cross_entropy.pb.h"
#include "losses/loss.h"

namespace losses {

// From log-softmax, so that it stays exact for confident logits. The smooth part weighs each class,
// as torch has it; what a label weighs itself is multiplied in by the fusion, and so divided out.
class CategoricalCrossEntropy : public Loss, public PixelLoss {
 public:
  explicit CategoricalCrossEntropy(const CategoricalCrossEntropyOptions& options)
      : smoothing_(options.label_smoothing()) {}

  absl::Status Prepare(const Classes& classes) override {
    weights_ = classes.weights;
    in_blocks_.assign(weights_.begin(), weights_.end());
    inverses_.clear();
    for (const double weight : weights_) inverses_.push_back(weight > 0 ? 1 / weight : 0);
    return absl::OkStatus();
  }

  LossValue operator()(const LossInput& input) override {
    const at::Tensor own = -AtTarget(input, input.log_probabilities());
    if (smoothing_ == 0) return PerSample(input, own);
    return PerSample(input, own * (1 - smoothing_) + Smooth(input) * smoothing_);
  }

  const PixelLoss* pixel_form() const override { return this; }
  bool uses_dp() const override { return false; }
  const std::vector<float>* log_weights() const override {
    return smoothing_ == 0 ? nullptr : &in_blocks_;
  }

  void Add(const Block& block, float scale) const override {
    kernels::Vectorized([&]() SIMD {
      const auto share = static_cast<float>(1 - smoothing_);
      const float step = share * scale;
      const float* __restrict log_y = block.log_y;
      float* __restrict value = block.value;
      float* __restrict dlog = block.dlog;
      for (int i = 0; i < block.stride; ++i) {
        value[i] -= share * log_y[i];
        dlog[i] -= step;
      }
    });
    if (smoothing_ > 0) AddSmooth(block, scale);
  }

  std::string gpu_form() const override {
    if (smoothing_ == 0) {
      return R"({
        value -= log_y;
        dlog -= scale;
      })";
    }
    return R"({
      const float own = P(2 + y) * P(1);
      value -= P(0) * log_y + own * log_sum;
      dlog -= P(0) * scale;
      dlog_sum -= own * scale;
    })";
  }
  std::vector<float> gpu_parameters(int64_t classes, int64_t) const override {
    if (smoothing_ == 0) return {};
    std::vector<float> parameters = {static_cast<float>(1 - smoothing_),
                                     static_cast<float>(smoothing_ / static_cast<double>(classes))};
    parameters.insert(parameters.end(), inverses_.begin(), inverses_.end());
    parameters.resize(2 + classes, 1);
    return parameters;
  }

 private:
  // The mean over the classes of -log p_c, each times its weight over the label's.
  at::Tensor Smooth(const LossInput& input) const {
    const at::Tensor& log_p = input.log_probabilities();
    if (weights_.empty()) return -log_p.mean(1);
    std::vector<int64_t> shape(log_p.dim(), 1);
    shape[1] = input.classes();
    const at::Tensor weights = at::tensor(weights_, log_p.options()).view(shape);
    const at::Tensor inverses = at::tensor(inverses_, log_p.options());
    return -(log_p * weights).mean(1) * inverses.take(input.target());
  }

  void AddSmooth(const Block& block, float scale) const {
    std::vector<float> table(inverses_.begin(), inverses_.end());
    if (table.empty()) table.assign(block.classes, 1);
    kernels::Vectorized([&]() SIMD {
      const auto mean = static_cast<float>(smoothing_ / block.classes);
      const float step = mean * scale;
      const float* __restrict inverse = table.data();
      const int32_t* __restrict y = block.y;
      const float* __restrict log_sum = block.log_sum;
      float* __restrict value = block.value;
      float* __restrict dlog_sum = block.dlog_sum;
      for (int i = 0; i < block.stride; ++i) {
        const float own = inverse[y[i]];
        value[i] -= mean * own * log_sum[i];
        dlog_sum[i] -= step * own;
      }
    });
  }

  const double smoothing_;
  std::vector<double> weights_, inverses_;  // by class; none where all are 1
  std::vector<float> in_blocks_;            // the weights
};

REGISTER_PLUGIN(Losses, CategoricalCrossEntropy);

}  // namespace losses
