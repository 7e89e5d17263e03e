// Mittag-Leffler functions of a real argument <= 0, as an ELU or as a tanh.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>

#include "activations/elementwise.h"
#include "activations/mittag_leffler.pb.h"

namespace activations {
namespace {

using Complex = std::complex<double>;

// E_a(-t) for t >= 0 and 0 < a <= 1, as the inverse Laplace transform of s^(a-1) / (s^a + t) at
// time 1, over a parabola around the negative axis, where all singularities lie (Weideman and
// Trefethen, Math. Comp. 76, 2007: 2 kNodes points err by 8^-kNodes). Nodes and weights do not
// depend on t.
class Contour {
 public:
  explicit Contour(double alpha) {
    constexpr double kStep = 3.0 / kNodes, kScale = M_PI * kNodes / 12;
    for (int k = 0; k < kNodes; ++k) {
      const Complex line(1, (k + 0.5) * kStep);
      const Complex s = kScale * line * line;
      powers_[k] = std::pow(s, alpha);
      logs_[k] = std::log(s);
      weights_[k] = 2 * kScale * kStep / M_PI * line * std::exp(s) * powers_[k] / s;
    }
  }

  // E_a(-t) and its derivatives with respect to t.
  Jet At(double t) const {
    Jet jet;
    for (int k = 0; k < kNodes; ++k) {
      const Complex pole = 1.0 / (powers_[k] + t);
      const Complex term = weights_[k] * pole;
      jet.value += term.real();
      jet.first -= (term * pole).real();
      jet.second += 2 * (term * pole * pole).real();
    }
    return jet;
  }

  // d/da of E_a(-t), and its derivative with respect to t (in `first`).
  Jet ByAlpha(double t) const {
    Jet jet;
    for (int k = 0; k < kNodes; ++k) {
      const Complex pole = 1.0 / (powers_[k] + t);
      const Complex term = weights_[k] * logs_[k] * pole * pole;
      jet.value += (term * t).real();
      jet.first += (term - 2 * t * term * pole).real();
    }
    return jet;
  }

 private:
  static constexpr int kNodes = 16;
  std::array<Complex, kNodes> powers_, logs_, weights_;
};

double Digamma(double x) { return at::scalar_tensor(x, at::kDouble).digamma().item<double>(); }

using Form = MittagLefflerOptions::Form;

class MittagLefflerFunction : public SpecialFunction {
 public:
  MittagLefflerFunction(Form form, double alpha)
      : elu_(form == MittagLefflerOptions::ELU),
        exponential_(alpha == 1),
        scale_(elu_ ? std::tgamma(1 + alpha) : 1),
        contour_(alpha) {}

  Jet At(double x) const override {
    if (elu_ && x >= 0) return {x, 1, 0};
    const Jet e = Decay(scale_ * std::abs(x));
    const double first = -scale_ * e.first, second = scale_ * scale_ * e.second;
    if (x < 0) return {e.value - 1, first, second};
    return {1 - e.value, first, -second};
  }

  Jet Limit(bool positive) const override {
    if (!positive) return {-1, 0, 0};
    return elu_ ? Jet{INFINITY, 1, 0} : Jet{1, 0, 0};
  }

 private:
  Jet Decay(double t) const {
    if (!exponential_) return contour_.At(t);
    const double e = std::exp(-t);
    return {e, -e, e};
  }

  const bool elu_, exponential_;
  const double scale_;
  const Contour contour_;
};

// The derivative of the above with respect to a.
class ByAlpha : public SpecialFunction {
 public:
  ByAlpha(Form form, double alpha)
      : elu_(form == MittagLefflerOptions::ELU),
        scale_(elu_ ? std::tgamma(1 + alpha) : 1),
        log_slope_(elu_ ? Digamma(1 + alpha) : 0),
        contour_(alpha) {}

  Jet At(double x) const override {
    if (elu_ && x >= 0) return {};
    // t = Gamma(1 + a) |x| grows with a as well, by psi(1 + a) t.
    const double t = scale_ * std::abs(x);
    const Jet own = contour_.ByAlpha(t), e = contour_.At(t);
    const double value = own.value + e.first * t * log_slope_;
    const double first = own.first + (e.second * t + e.first) * log_slope_;
    return {x < 0 ? value : -value, -scale_ * first, 0};
  }

  Jet Limit(bool) const override { return {}; }

 private:
  const bool elu_;
  const double scale_, log_slope_;
  const Contour contour_;
};

// Below 0 the function bends within a few units and has heavy tails after.
std::shared_ptr<const Piecewise> Tabulated(Form form,
                                           const std::shared_ptr<const SpecialFunction>& f) {
  constexpr double kReach = 20;
  Table table;
  table.function = [f](double p) { return f->At(p); };
  if (form == MittagLefflerOptions::ELU) {
    table.low = -kReach;
    table.high = 0;
    // The identity, or 0 for the derivative with respect to a.
    table.above = Tail::kLinear;
  } else {
    table.fold = Fold::kOdd;
    table.high = kReach;
  }
  return std::make_shared<const Piecewise>(f, std::vector<Table>{table});
}

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

  explicit MittagLeffler(const MittagLefflerOptions& options) : form_(options.form()) {
    if (options.learnable()) parameter_ = std::make_shared<Parameter>(options.alpha());
    Tabulate(options.alpha());
  }

  at::Tensor operator()(at::Tensor x) override {
    if (parameter_ == nullptr) return Apply(f_, x);
    const at::Tensor alpha = parameter_->Alpha();
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
  // Makes the tables those of the alpha that was learned.
  void Follow(const at::Tensor& alpha) {
    const auto value = alpha.item<double>();
    if (value != alpha_) Tabulate(value);
  }

  void Tabulate(double alpha) {
    alpha_ = alpha;
    f_ = Tabulated(form_, std::make_shared<MittagLefflerFunction>(form_, alpha));
    if (parameter_ == nullptr) return;
    by_alpha_ = Tabulated(form_, std::make_shared<ByAlpha>(form_, alpha));
  }

  const Form form_;
  double alpha_ = 0;  // that the tables are of
  std::shared_ptr<const Piecewise> f_, by_alpha_;
  std::shared_ptr<Parameter> parameter_;  // nullptr unless learnable
};

REGISTER_PLUGIN(Activations, MittagLeffler);

}  // namespace activations
