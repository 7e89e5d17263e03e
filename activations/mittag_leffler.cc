// Mittag-Leffler functions of a real argument <= 0, as an ELU or as a tanh.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <torch/nn/module.h>

#include <cmath>
#include <memory>
#include <optional>

#include "activations/elementwise.h"
#include "activations/mittag_leffler.pb.h"
#include "activations/mittag_leffler_tables.h"

namespace activations {
namespace {

constexpr double kLeastAlpha = 0.05;

struct Parameter : torch::nn::Module {
  explicit Parameter(double alpha) : torch::nn::Module("MittagLeffler") {
    const double share = (alpha - kLeastAlpha) / (1 - kLeastAlpha);
    logit =
        register_parameter("alpha_logit", at::full({1}, std::log(share / (1 - share)), at::kFloat));
  }
  at::Tensor Alpha() const { return logit.sigmoid() * (1 - kLeastAlpha) + kLeastAlpha; }

  at::Tensor logit;
};

}  // namespace

class MittagLeffler : public Activation {
 public:
  static absl::StatusOr<std::unique_ptr<MittagLeffler>> Create(
      const MittagLefflerOptions& options) {
    if (options.learnable() && (options.alpha() >= 1 || options.alpha() <= kLeastAlpha)) {
      return pipeline::OptionError(
          "alpha", absl::StrCat("alpha must be above ", kLeastAlpha,
                                " and below 1 where it is learnable; got ", options.alpha()));
    }
    return std::make_unique<MittagLeffler>(options);
  }

  explicit MittagLeffler(const MittagLefflerOptions& options)
      : elu_(options.form() == MittagLefflerOptions::ELU) {
    if (options.learnable()) parameter_ = std::make_shared<Parameter>(options.alpha());
    Tabulate(options.alpha());
  }

  at::Tensor operator()(at::Tensor x) override {
    if (parameter_ == nullptr) return Apply(f_, x);
    const at::Tensor alpha = parameter_->Alpha();
    if (HasKernelsFor(x)) {
      const MittagLefflerOnDevice::Both there = on_device_->At(alpha);
      return Apply(there.f, there.by_alpha, x, alpha);
    }
    Follow(alpha);
    return Apply(f_, by_alpha_, x, alpha);
  }

  double gain() const override { return GainOf(*f_); }
  double infimum() const override { return -1; }
  const Piecewise* piecewise() const override { return f_.get(); }
  std::shared_ptr<torch::nn::Module> module() override { return parameter_; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override {
    if (parameter_ != nullptr) Follow(parameter_->Alpha());
    return activations::Export(*f_, x);
  }

 private:
  // Whether x is on a GPU whose kernels take tables from there.
  bool HasKernelsFor(const at::Tensor& x) {
    if (x.is_cpu()) return false;
    if (!on_device_.has_value() || on_device_->device() != x.device()) {
      on_device_.emplace(elu_, x.device());
    }
    return MapsByKernels(on_device_->like(), x);
  }

  // Makes the tables those of the alpha that was learned.
  void Follow(const at::Tensor& alpha) {
    const auto value = alpha.item<double>();
    if (value != alpha_) Tabulate(value);
  }

  void Tabulate(double alpha) {
    alpha_ = alpha;
    f_ = MittagLefflerOf(elu_, alpha);
    if (parameter_ != nullptr) by_alpha_ = MittagLefflerByAlpha(elu_, alpha);
  }

  const bool elu_;
  double alpha_ = 0;  // that the tables are of
  std::shared_ptr<const Piecewise> f_, by_alpha_;
  std::optional<MittagLefflerOnDevice> on_device_;
  std::shared_ptr<Parameter> parameter_;  // nullptr unless learnable
};

REGISTER_PLUGIN(Activations, MittagLeffler);

}  // namespace activations
