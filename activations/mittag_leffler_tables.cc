// The functions by their contour, on the processor and by operators on a device.
#include "activations/mittag_leffler_tables.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/real.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cmath>
#include <complex>
#include <utility>
#include <vector>

#include "activations/piecewise_gpu.h"

namespace activations {
namespace {

using Complex = std::complex<double>;

// E_a(-t) for t >= 0 and 0 < a <= 1, as the inverse Laplace transform of s^(a-1) / (s^a + t) at
// time 1, over a parabola around the negative axis, where all singularities lie (Weideman and
// Trefethen, Math. Comp. 76, 2007: 2 kNodes points err by 8^-kNodes). Nodes and weights do not
// depend on t.
constexpr int kNodes = 16;
using Nodes = std::array<Complex, kNodes>;

// log s, and weights less their factor s^a.
void PlaceNodes(Nodes* logs, Nodes* weights) {
  constexpr double kStep = 3.0 / kNodes, kScale = M_PI * kNodes / 12;
  for (int k = 0; k < kNodes; ++k) {
    const Complex line(1, (k + 0.5) * kStep);
    const Complex s = kScale * line * line;
    (*logs)[k] = std::log(s);
    (*weights)[k] = 2 * kScale * kStep / M_PI * line * std::exp(s) / s;
  }
}

class Contour {
 public:
  explicit Contour(double alpha) {
    PlaceNodes(&logs_, &weights_);
    for (int k = 0; k < kNodes; ++k) {
      powers_[k] = std::exp(alpha * logs_[k]);
      weights_[k] *= powers_[k];
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
  Nodes powers_, logs_, weights_;
};

double Digamma(double x) { return at::scalar_tensor(x, at::kDouble).digamma().item<double>(); }

class MittagLefflerFunction : public SpecialFunction {
 public:
  MittagLefflerFunction(bool elu, double alpha)
      : elu_(elu),
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
  ByAlpha(bool elu, double alpha)
      : elu_(elu),
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
Table TableOf(bool elu, const std::shared_ptr<const SpecialFunction>& f) {
  constexpr double kReach = 20;
  Table table;
  table.function = [f](double p) { return f->At(p); };
  if (elu) {
    table.low = -kReach;
    table.high = 0;
    // The identity, or 0 for the derivative with respect to a.
    table.above = Tail::kLinear;
  } else {
    table.fold = Fold::kOdd;
    table.high = kReach;
  }
  return table;
}

std::shared_ptr<const Piecewise> Tabulated(bool elu,
                                           const std::shared_ptr<const SpecialFunction>& f,
                                           Pieces pieces) {
  return std::make_shared<const Piecewise>(f, std::vector<Table>{TableOf(elu, f)}, /*slope=*/0,
                                           pieces);
}

LearnedTables LearnedOf(bool elu, const Piecewise& like, const at::Device& device) {
  return {like, TableOf(elu, nullptr), device};
}

at::Tensor OnDevice(const Nodes& nodes, const at::Device& device) {
  return at::from_blob(const_cast<Complex*>(nodes.data()), {kNodes}, at::kComplexDouble)
      .clone()
      .to(device);
}

// The real part of a sum over the nodes.
at::Tensor Summed(const at::Tensor& by_node) { return at::real(by_node.sum(1)); }

// Any: tables of all pieces have one layout.
constexpr double kSomeAlpha = 0.5;

}  // namespace

std::shared_ptr<const Piecewise> MittagLefflerOf(bool elu, double alpha, Pieces pieces) {
  return Tabulated(elu, std::make_shared<MittagLefflerFunction>(elu, alpha), pieces);
}

std::shared_ptr<const Piecewise> MittagLefflerByAlpha(bool elu, double alpha, Pieces pieces) {
  return Tabulated(elu, std::make_shared<ByAlpha>(elu, alpha), pieces);
}

MittagLefflerOnDevice::MittagLefflerOnDevice(bool elu, const at::Device& device)
    : elu_(elu),
      device_(device),
      like_(MittagLefflerOf(elu, kSomeAlpha, Pieces::kAll)),
      like_by_alpha_(MittagLefflerByAlpha(elu, kSomeAlpha, Pieces::kAll)),
      f_(LearnedOf(elu, *like_, device)),
      by_alpha_(LearnedOf(elu, *like_by_alpha_, device)) {
  Nodes logs, weights;
  PlaceNodes(&logs, &weights);
  logs_ = OnDevice(logs, device);
  weights_ = OnDevice(weights, device);
}

// As MittagLefflerFunction::At and ByAlpha::At, of all points.
std::pair<at::Tensor, at::Tensor> MittagLefflerOnDevice::Fit(const at::Tensor& given) const {
  const c10::NoGradGuard no_gradients;
  const at::Tensor alpha = given.detach().to(at::kDouble);
  const at::Tensor scale = elu_ ? (alpha + 1).lgamma().exp() : at::ones_like(alpha);
  const at::Tensor log_slope = elu_ ? (alpha + 1).digamma() : at::zeros_like(alpha);
  const at::Tensor powers = (logs_ * alpha).exp(), weights = weights_ * powers;
  const at::Tensor t = (f_.points().abs() * scale).unsqueeze(1);
  const at::Tensor pole = (powers + t).reciprocal();
  const at::Tensor term = weights * pole, square = term * pole, by_log = square * logs_;
  const at::Tensor e = Summed(term), first = -Summed(square), second = 2 * Summed(square * pole);
  const at::Tensor own = Summed(by_log * t), own_first = Summed(by_log - 2 * t * by_log * pole);
  const double sign = elu_ ? -1 : 1;  // of x
  const at::Tensor flat = t.squeeze(1);
  const at::Tensor by_alpha = -sign * (own + first * flat * log_slope);
  const at::Tensor by_alpha_first = own_first + (second * flat + first) * log_slope;
  return {f_.Fit(sign * (1 - e), -scale * first), by_alpha_.Fit(by_alpha, -scale * by_alpha_first)};
}

MittagLefflerOnDevice::Both MittagLefflerOnDevice::At(const at::Tensor& alpha) const {
  const auto [f, by_alpha] = Fit(alpha);
  return {WithTables(*like_, f), WithTables(*like_by_alpha_, by_alpha)};
}

}  // namespace activations
