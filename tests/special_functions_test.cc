// What is known of the special functions exactly: limits, identities, other libraries, and where
// the series that others use fails.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <boost/math/special_functions/jacobi.hpp>
#include <boost/math/special_functions/jacobi_elliptic.hpp>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "activations/activation.h"
#include "activations/elementwise.h"
#include "pipeline/training/device.h"
#include "tests/oracle.h"

namespace {

using activations::Activation;
using activations::Activations;
using testing_support::Error;
using testing_support::PluginOf;

std::unique_ptr<Activation> Make(const std::string& name, const std::string& options) {
  auto made = Activations::Get().Create(PluginOf("activations/" + name, options));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

std::string Refusal(const std::string& name, const std::string& options) {
  return std::string(
      Activations::Get().Create(PluginOf("activations/" + name, options)).status().message());
}

at::Tensor Apply(Activation& f, const at::Tensor& x) { return f(x.clone()); }

// Doubles that are floats as well.
at::Tensor Line(double reach = 20) {
  return at::linspace(-reach, reach, 4001, at::kFloat).to(at::kDouble).reshape({-1, 1});
}

// Both precisions against a double tensor.
void ExpectEqual(Activation& f, const at::Tensor& x, const at::Tensor& y) {
  EXPECT_LT(Error(Apply(f, x), y), 2e-13);  // hundreds of roundings
  EXPECT_LT(Error(Apply(f, x.to(at::kFloat)), y), 1e-6);
}

TEST(MittagLeffler, IsEluForOrderOne) {
  ExpectEqual(*Make("MittagLeffler", "alpha: 1"), Line(), at::elu(Line()));
}

TEST(MittagLeffler, IsErfcxForOrderHalf) {
  // E_(1/2)(-t) = exp(t^2) erfc(t); beyond t = 5 the product loses digits.
  const auto f = Make("MittagLeffler", "alpha: 0.5 form: TANH");
  for (double t = 0; t < 5; t += 0.1) {
    const double y = Apply(*f, at::full({1, 1}, t, at::kDouble)).item<double>();
    EXPECT_NEAR(1 - y, std::exp(t * t) * std::erfc(t), 1e-13) << t;
  }
}

// sum (-t)^k / Gamma(a k + 1), as it is usually written.
template <class Number>
double NaiveMittagLeffler(double alpha, double t, int terms) {
  Number sum = 0, power = 1;
  for (int k = 0; k < terms; ++k) {
    sum += power / static_cast<Number>(std::tgamma(alpha * k + 1));
    power *= static_cast<Number>(-t);
  }
  return static_cast<double>(sum);
}

TEST(MittagLeffler, IsRightWhereItsSeriesFails) {
  const auto f = Make("MittagLeffler", "alpha: 0.7 form: TANH");
  const auto ours = [&](double t, at::ScalarType type) {
    return 1 - Apply(*f, at::full({1, 1}, t).to(type)).item<double>();
  };
  // By mpmath 1.4, 120 digits.
  const double at5 = 0.0775693577647698, at20 = 0.017395698291604;
  EXPECT_GT(std::abs(NaiveMittagLeffler<float>(0.7, 5, 40) - at5), 0.01);
  EXPECT_NEAR(ours(5, at::kFloat), at5, 1e-6);
  const double naive20 = NaiveMittagLeffler<double>(0.7, 20, 150);
  EXPECT_TRUE(std::isnan(naive20) || std::abs(naive20 - at20) > 0.01) << naive20;
  EXPECT_NEAR(ours(20, at::kDouble), at20, 1e-9);
  EXPECT_NEAR(ours(20, at::kFloat), at20, 1e-6);
}

TEST(MittagLeffler, LearnsItsOrder) {
  for (const char* form : {"ELU", "TANH"}) {
    const auto f = Make("MittagLeffler", absl::StrCat("learnable: true form: ", form));
    const at::Tensor logit = f->module()->parameters().at(0);
    const at::Tensor x = at::randn({64, 3}, at::kDouble) * 4;
    const at::Tensor g = at::randn_like(x);
    const at::Tensor leaf = x.clone().requires_grad_();
    const auto gradients = torch::autograd::grad({(*f)(leaf * 1)}, {leaf, logit}, {g});
    const auto loss_at = [&](double by) {
      const c10::NoGradGuard no_gradients;
      logit.add_(by);
      const double loss = (Apply(*f, x) * g).sum().item<double>();
      logit.sub_(by);
      return loss;
    };
    // The logit is a float: a step of 1e-2 keeps five digits, and errs by its square.
    const double slope = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2;
    EXPECT_NEAR(gradients[1].item<double>(), slope, 2e-4 * std::max(1.0, std::abs(slope))) << form;
    // By x as an activation that does not learn.
    const auto fixed = Make("MittagLeffler", absl::StrCat("form: ", form));
    EXPECT_LT(Error(gradients[0], torch::autograd::grad({(*fixed)(leaf * 1)}, {leaf}, {g})[0]),
              1e-7);  // alpha went through a float
  }
}

TEST(MittagLeffler, RefusesToLearnFromTheEdge) {
  EXPECT_EQ(Refusal("MittagLeffler", "learnable: true alpha: 1"),
            "alpha must be above 0.05 and below 1 where it is learnable; got 1");
}

TEST(Lerch, IsSigmoidAndSoftplus) {
  ExpectEqual(*Make("Lerch", "s: 0"), Line(), Line().sigmoid());
  ExpectEqual(*Make("Lerch", "s: 1"), Line(), at::softplus(Line(), 1, 40));
}

TEST(Lerch, HasTheSlopeOfTheOrderBelow) {
  const at::Tensor x = Line(40).requires_grad_();
  const auto upper = Make("Lerch", "s: 1.5"), lower = Make("Lerch", "s: 0.5");
  const at::Tensor slope = torch::autograd::grad({(*upper)(x * 1).sum()}, {x})[0];
  EXPECT_LT(Error(slope, Apply(*lower, x.detach())), 1e-12);
}

TEST(Lerch, BoundedHasLogarithmForOrderOne) {
  // Phi(z, 1, 1) = -ln(1 - z) / z.
  const at::Tensor z = Line().tanh() * 0.9;
  const at::Tensor y = at::where(z.abs() < 1e-12, at::zeros_like(z), -(-z).log1p() / z - 1);
  ExpectEqual(*Make("Lerch", "form: BOUNDED s: 1 rho: 0.9 a: 1"), Line(), y);
}

TEST(Jacobi, IsCircularForZeroAndHyperbolicForOne) {
  ExpectEqual(*Make("Jacobi", "m: 0"), Line(), Line().sin());
  ExpectEqual(*Make("Jacobi", "m: 0 form: ELLIPTIC_CN"), Line(), Line().cos());
  ExpectEqual(*Make("Jacobi", "m: 1"), Line(), Line().tanh());
  ExpectEqual(*Make("Jacobi", "m: 1 form: ELLIPTIC_CN"), Line(), 1 / Line().cosh());
  ExpectEqual(*Make("Jacobi", "m: 1 form: ELLIPTIC_DN"), Line(), 1 / Line().cosh());
  ExpectEqual(*Make("Jacobi", "m: 0 form: SNAKE"), Line(), Line() + Line().sin().square());
  ExpectEqual(*Make("Jacobi", "m: 1 form: SNAKE"), Line(), Line() + Line().tanh().square());
}

TEST(Jacobi, EqualsBoost) {
  for (const double m : {0.1, 0.5, 0.9, 0.999, 1 - 1e-9}) {
    const at::Tensor x = Line(10);
    at::Tensor sn = at::empty_like(x), cn = at::empty_like(x), dn = at::empty_like(x);
    for (int64_t i = 0; i < x.numel(); ++i) {
      double c = 0, d = 0;
      sn.data_ptr<double>()[i] =
          boost::math::jacobi_elliptic(std::sqrt(m), x.data_ptr<double>()[i], &c, &d);
      cn.data_ptr<double>()[i] = c;
      dn.data_ptr<double>()[i] = d;
    }
    // Boost does not reduce its argument, and sqrt(m) is rounded, which moves K(m) by
    // 1e-16 / (1 - m).
    const double tolerance = 1e-11 + 1e-15 / (1 - m);
    const auto error = [&](const char* form, const at::Tensor& y) {
      const auto f =
          Make("Jacobi", absl::StrCat("form: ", form, " m: ", absl::StrFormat("%.17g", m)));
      EXPECT_LT(Error(Apply(*f, x.to(at::kFloat)), y), 2e-6) << form << " " << m;
      return Error(Apply(*f, x), y);
    };
    EXPECT_LT(error("ELLIPTIC_SN", sn), tolerance) << m;
    EXPECT_LT(error("ELLIPTIC_CN", cn), tolerance) << m;
    EXPECT_LT(error("ELLIPTIC_DN", dn), tolerance) << m;
  }
}

TEST(Jacobi, PolynomialsEqualBoost) {
  for (int n = 1; n <= 6; ++n) {
    for (const auto& [a, b] : {std::pair{0.0, 0.0}, {0.5, 0.5}, {-0.5, 1.5}, {2.0, -0.9}}) {
      const at::Tensor x = Line();
      at::Tensor y = at::empty_like(x);
      for (int64_t i = 0; i < x.numel(); ++i) {
        y.data_ptr<double>()[i] =
            boost::math::jacobi<double>(n, a, b, std::tanh(x.data_ptr<double>()[i]));
      }
      ExpectEqual(*Make("Jacobi", absl::StrCat("form: POLYNOMIAL n: ", n, " a: ", a, " b: ", b)), x,
                  y);
    }
  }
}

TEST(Weierstrass, IsOneAtZeroAndACosineWithOneTerm) {
  EXPECT_NEAR(Apply(*Make("Weierstrass", ""), at::zeros({1, 1})).item<double>(), 1, 1e-6);
  ExpectEqual(*Make("Weierstrass", "terms: 0"), Line(), (Line() * M_PI).cos());
}

TEST(Weierstrass, RefusesWhatFloat32OrTrainingCannotBear) {
  EXPECT_EQ(Refusal("Weierstrass", "terms: 10"),
            "a 0.5, b 3, terms 10: rounding an input of 10 to float32 moves the fastest term by "
            "0.11 radians, more than 0.001; take fewer terms or a smaller b");
  EXPECT_EQ(Refusal("Weierstrass", "a: 0.9 b: 3.4"),
            "a 0.9, b 3.4, terms 5: slopes reach 267, more than 100; take fewer terms or a smaller "
            "a or b");
}

// Every form of every function, by its name in a config.
const std::pair<const char*, const char*> kForms[] = {
    {"MittagLeffler", ""},
    {"MittagLeffler", "form: TANH"},
    {"MittagLeffler", "alpha: 0.05"},
    {"MittagLeffler", "alpha: 0.05 form: TANH"},
    {"MittagLeffler", "alpha: 0.98"},
    {"Lerch", ""},
    {"Lerch", "s: 2"},
    {"Lerch", "form: BOUNDED"},
    {"Lerch", "form: BOUNDED rho: 0.95 s: 0 a: 0.1"},
    {"Jacobi", ""},
    {"Jacobi", "form: ELLIPTIC_CN"},
    {"Jacobi", "form: ELLIPTIC_DN"},
    {"Jacobi", "form: SNAKE"},
    {"Jacobi", "form: POLYNOMIAL n: 6 a: 2 b: 2"},
    {"Jacobi", "m: 0.999999999"},
    {"Weierstrass", ""},
    {"Weierstrass", "a: 0.5 b: 1.5 terms: 8"},
    {"Weierstrass", "a: 0.3 b: 2 terms: 4"},
    {"Weierstrass", "a: 0.5 b: 3 terms: 4"},
    {"Weierstrass", "form: TANH_RIPPLE amplitude: 1"},
};

TEST(EveryForm, HasTablesAsAccurateAsFloat32) {
  for (const auto& [name, options] : kForms) {
    const auto f = Make(name, options);
    EXPECT_LT(f->piecewise()->value_error(), 5e-7) << name << " " << options;
    EXPECT_LT(f->piecewise()->slope_error(), 5e-6) << name << " " << options;
    // On points that the fit did not see, far ones included.
    pipeline::SeedGenerators(3);
    at::Tensor x = at::randn({20000, 1}) * 8;
    x.slice(0, 0, 2000) *= 100;
    const at::Tensor exact = Apply(*f, x.to(at::kDouble));
    EXPECT_LT(Error(Apply(*f, x), exact), 1e-6) << name << " " << options;
  }
}

TEST(EveryForm, GivesTheSameByOperators) {
  for (const auto& [name, options] : kForms) {
    const auto f = Make(name, options);
    at::Tensor x = at::randn({1000}) * 6;
    x[0] = INFINITY;
    x[1] = -INFINITY;
    x[2] = NAN;
    x[3] = 3e4;
    const at::Tensor y = activations::EvaluateByOperators(*f->piecewise(), x, false);
    // Roundings of float32, in another order.
    EXPECT_TRUE(y.allclose(Apply(*f, x.reshape({-1, 1})).flatten(), 1e-6, 1e-6, true))
        << name << " " << options;
    const at::Tensor leaf = x.slice(0, 4).clone().requires_grad_();
    const at::Tensor slope = torch::autograd::grad({(*f)(leaf * 1).sum()}, {leaf})[0];
    const at::Tensor by_operators =
        activations::EvaluateByOperators(*f->piecewise(), leaf.detach(), true);
    const double steepest = std::max(1.0, slope.abs().max().item<double>());
    EXPECT_LT((slope - by_operators).abs().max().item<double>() / steepest, 2e-6)
        << name << " " << options;
  }
}

TEST(EveryForm, RoundsHalfPrecisionAsLibTorchDoes) {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    for (const auto& [name, options] : kForms) {
      const auto f = Make(name, options);
      at::Tensor x = (at::randn({3000}) * 6).to(type);
      x[0] = NAN;
      x[1] = INFINITY;
      const at::Tensor expected = Apply(*f, x.to(at::kFloat)).to(type);
      EXPECT_TRUE(Apply(*f, x).allclose(expected, 0, 0, true)) << name << " " << options;
    }
  }
}

TEST(EveryForm, RefusesAThirdDerivative) {
  const auto f = Make("Lerch", "");
  const at::Tensor x = at::ones({1, 1}, at::kDouble).requires_grad_();
  const at::Tensor first = torch::autograd::grad({(*f)(x * 1)}, {x}, {}, true, true)[0];
  EXPECT_THROW(torch::autograd::grad({first}, {x}, {}, true, true), c10::Error);
}

TEST(EveryForm, SavesItsInputAlone) {
  // What a graph keeps alive is what the node saved: x, and nothing of x's size beside it.
  const auto f = Make("MittagLeffler", "");
  const at::Tensor x = at::randn({10, 10}).requires_grad_();
  const at::Tensor input = x * 1;
  const at::Tensor y = (*f)(input);
  EXPECT_EQ(input.use_count(), 2);  // here, and in the node
  EXPECT_EQ(y.use_count(), 1);
}

}  // namespace
