// Focal loss.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "kernels/simd.h"
#include "losses/focal.pb.h"
#include "losses/loss.h"

namespace losses {

// (1 - p)^gamma is exp(gamma log(1 - p)): its slope stays finite where p is 1 and gamma below 1, at
// which the usual form gives NaN.
class Focal : public Loss, public PixelLoss {
 public:
  static absl::StatusOr<std::unique_ptr<Focal>> Create(const FocalOptions& options) {
    if (options.auto_alpha() && options.alpha_size() > 0) {
      return pipeline::OptionError("alpha", "alpha: either alpha or auto_alpha, not both");
    }
    if (options.has_epoch_scaling_factor() && !options.adaptive_gamma()) {
      return pipeline::OptionError(
          "epoch_scaling_factor", "epoch_scaling_factor does nothing without adaptive_gamma: true");
    }
    return std::make_unique<Focal>(options);
  }

  explicit Focal(const FocalOptions& options)
      : options_(options), alpha_(options.alpha().begin(), options.alpha().end()) {}

  absl::Status Prepare(const Classes& classes) override {
    if (options_.auto_alpha()) {
      absl::StatusOr<std::vector<double>> balanced = BalancedWeights(classes);
      if (!balanced.ok()) {
        return pipeline::OptionError("auto_alpha",
                                     absl::StrCat("auto_alpha: ", balanced.status().message()));
      }
      alpha_ = *std::move(balanced);
    }
    if (alpha_.size() == 1) alpha_.resize(classes.count, alpha_[0]);
    if (alpha_.empty() || static_cast<int64_t>(alpha_.size()) == classes.count) {
      return absl::OkStatus();
    }
    return pipeline::OptionError("alpha", absl::StrCat("alpha has ", alpha_.size(), " values for ",
                                                       classes.count, " classes"));
  }

  double WeightAt(const pipeline::Step& step) const override {
    return std::pow(options_.focal_weight_decay(), static_cast<double>(step.epoch));
  }

  LossValue operator()(const LossInput& input) override {
    at::Tensor loss = -AtTarget(input, input.log_probabilities());
    const double gamma = GammaAt(input.step().epoch);
    if (gamma != 0) loss = loss * (AtTarget(input, input.log_complements()) * gamma).exp();
    if (alpha_.size() == 1) loss = loss * alpha_[0];
    if (alpha_.size() > 1) {
      loss = loss * at::tensor(alpha_, input.logits().options()).take(input.target());
    }
    return PerSample(input, loss);
  }

  const PixelLoss* pixel_form() const override { return this; }
  bool uses_dp() const override { return false; }

  // With q = 1 - p: d(-q^g log p) / dlog p = -q^g + g q^(g-1) p log p.
  void Add(const Block& block, float scale) const override {
    std::vector<float> table(alpha_.begin(), alpha_.end());
    if (table.size() == 1) table.resize(block.classes, table[0]);
    const auto with = [&](auto power, auto alpha_of) {
      kernels::Vectorized([&]() SIMD {
        const auto gamma = static_cast<float>(GammaAt(block.epoch));
        const float* __restrict alpha = table.data();
        const float factor = scale;
        const float* __restrict log_y = block.log_y;
        const float* __restrict rest_y = block.rest_y;
        const float* __restrict p_y = block.p_y;
        const int32_t* __restrict y = block.y;
        float* __restrict value = block.value;
        float* __restrict dlog = block.dlog;
        for (int i = 0; i < block.stride; ++i) {
          const float q = rest_y[i], weakened = power(q, gamma), a = alpha_of(alpha, y[i]);
          value[i] -= a * weakened * log_y[i];
          dlog[i] += factor * a * (gamma * weakened / q * p_y[i] * log_y[i] - weakened);
        }
      });
    };
    const auto with_alpha = [&](auto power) {
      if (table.empty()) return with(power, [](const float*, int32_t) SIMD { return 1.0F; });
      with(power, [](const float* __restrict alpha, int32_t y) SIMD { return alpha[y]; });
    };
    if (GammaAt(block.epoch) == 2) return with_alpha([](float q, float) SIMD { return q * q; });
    with_alpha([](float q, float gamma) SIMD { return kernels::Exp(gamma * kernels::Log(q)); });
  }

  std::string gpu_form() const override {
    return R"({
      const float gamma = P(0), a = P(1 + y), q = rest_y;
      const float weakened = gamma == 2 ? q * q : expf(gamma * logf(q));
      value -= a * weakened * log_y;
      dlog += scale * a * (gamma * weakened / q * p_y * log_y - weakened);
    })";
  }
  std::vector<float> gpu_parameters(int64_t classes, int64_t epoch) const override {
    std::vector<float> parameters = {static_cast<float>(GammaAt(epoch))};
    parameters.insert(parameters.end(), alpha_.begin(), alpha_.end());
    const float each = alpha_.empty() ? 1 : parameters.back();  // for none, or one
    parameters.resize(1 + classes, each);
    return parameters;
  }

 private:
  double GammaAt(int64_t epoch) const {
    if (!options_.adaptive_gamma()) return options_.gamma();
    const double grown =
        options_.gamma() * (1 + options_.epoch_scaling_factor() * static_cast<double>(epoch));
    return std::min(grown, std::max(options_.max_gamma(), options_.gamma()));
  }

  const FocalOptions options_;
  std::vector<double> alpha_;  // none, one, or one for each class
};

REGISTER_PLUGIN(Losses, Focal);

}  // namespace losses
