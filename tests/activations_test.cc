// What every registered activation must hold: golden values, gradients, and safety at the edges.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <set>

#include "activations/activation.h"
#include "pipeline/runs/safetensors.h"
#include "pipeline/training/device.h"
#include "tests/oracle.h"

namespace {

using activations::Activation;
using pipeline::PluginName;
using testing_support::Error;
using testing_support::PluginOf;
using testing_support::TensorOf;

std::unique_ptr<Activation> Make(const PluginName& name, const std::string& options = "") {
  auto made = activations::Activations::Get().Create(PluginOf(name.Url(), options));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

// The activation may work in place on what it is given.
at::Tensor Apply(Activation& f, const at::Tensor& x) { return f(x.clone()); }

at::Tensor Gradient(Activation& f, const at::Tensor& x, const at::Tensor& g) {
  const at::Tensor leaf = x.detach().clone().requires_grad_();
  // x * 1 is a temporary that the function may overwrite.
  return torch::autograd::grad({f(leaf * 1)}, {leaf}, {g})[0];
}

// PyTorch knows the others.
bool IsSpecial(const std::string& file) {
  return file == "jacobi" || file == "lerch" || file == "mittag_leffler" || file == "weierstrass";
}

class EveryActivation : public testing::TestWithParam<PluginName> {
 protected:
  void SetUp() override {
    pipeline::SeedGenerators(7);
    f_ = Make(GetParam());
  }
  std::unique_ptr<Activation> f_;
};

TEST_P(EveryActivation, EqualsItsOracle) {
  if (IsSpecial(GetParam().file)) GTEST_SKIP() << "PyTorch has none: see EqualsMpmath";
  const auto oracle =
      testing_support::ReadOracle("activations/testdata/" + GetParam().file + ".json");
  for (const auto& c : oracle["cases"]) {
    const auto f = Make(GetParam(), c["options"]);
    const std::vector<int64_t> shape = c["shape"];
    const at::Tensor x = TensorOf<double>(c["x"], shape), g = TensorOf<double>(c["g"], shape);
    const at::Tensor y = TensorOf<double>(c["y"], shape), dx = TensorOf<double>(c["dx"], shape);
    EXPECT_LT(Error(Apply(*f, x), y), 1e-12);
    EXPECT_LT(Error(Gradient(*f, x, g), dx), 1e-12);
    EXPECT_LT(Error(Apply(*f, x.to(at::kFloat)), y), 1e-6);
    EXPECT_LT(Error(Gradient(*f, x.to(at::kFloat), g.to(at::kFloat)), dx), 1e-5);
  }
}

TEST_P(EveryActivation, EqualsMpmath) {
  if (!IsSpecial(GetParam().file)) GTEST_SKIP() << "PyTorch has it: see EqualsItsOracle";
  const std::string table = "activations/testdata/" + GetParam().file + "_golden";
  const auto oracle = testing_support::ReadOracle(table + ".json");
  const auto read = pipeline::ReadSafetensors(table + ".safetensors");
  ASSERT_TRUE(read.ok()) << read.status();
  const std::map<std::string, at::Tensor> tensors(read->begin(), read->end());
  EXPECT_GE(oracle["cases"].size(), 6);
  for (size_t i = 0; i < oracle["cases"].size(); ++i) {
    const std::string options = oracle["cases"][i]["options"];
    SCOPED_TRACE(options);
    const auto f = Make(GetParam(), options);
    const at::Tensor& x = tensors.at("x");
    const at::Tensor& y = tensors.at(std::to_string(i) + ".y");
    const at::Tensor& dy = tensors.at(std::to_string(i) + ".dy");
    ASSERT_GE(x.numel(), 2000);
    const at::Tensor ones = at::ones_like(x);
    // Hundreds of roundings of double.
    EXPECT_LT(Error(Apply(*f, x), y), 1e-12);
    const double steepest = dy.abs().max().item<double>();
    EXPECT_LT(Error(Gradient(*f, x, ones) / steepest, dy / steepest), 1e-12);
    // The bars of float32.
    const at::Tensor narrow = x.to(at::kFloat);
    EXPECT_LT(Error(Apply(*f, narrow), y), 1e-6);
    EXPECT_LT(Error(Gradient(*f, narrow, ones.to(at::kFloat)) / steepest, dy / steepest), 1e-5);
  }
}

// The sum of g f over x with one element moved by `by`, which `value` computes.
template <class Value>
double Slope(const Value& value, const at::Tensor& x, int64_t element) {
  // Rounding of 1e-14 is divided by it, and its square times the third derivative of Weierstrass'
  // function, 1e7, is left out: 5e-8 either way.
  constexpr double kStepSize = 2e-7;
  const auto at = [&](double by) {
    at::Tensor moved = x.clone();
    moved.view({-1})[element] += by;
    return value(moved);
  };
  return (at(kStepSize) - at(-kStepSize)) / (2 * kStepSize);
}

TEST_P(EveryActivation, HasTheGradientOfItsValue) {
  // Off the kinks at 0 that piecewise functions have.
  const at::Tensor x = at::randn({2, 5, 3}, at::kDouble) * 3 + 0.01;
  const at::Tensor g = at::randn_like(x);
  const at::Tensor gradient = Gradient(*f_, x, g).flatten();
  const auto value = [&](const at::Tensor& at) {
    return (Apply(*f_, at) * g).sum().item<double>();
  };
  for (int64_t i = 0; i < x.numel(); ++i) {
    EXPECT_NEAR(gradient[i].item<double>(), Slope(value, x, i), 5e-7);
  }
}

TEST_P(EveryActivation, HasTheSecondDerivativeOfItsValue) {
  const at::Tensor x = at::randn({2, 5, 3}, at::kDouble) * 3 + 0.01;
  const at::Tensor g = at::randn_like(x), v = at::randn_like(x);
  const at::Tensor leaf = x.clone().requires_grad_(), incoming = g.clone().requires_grad_();
  const at::Tensor gradient =
      torch::autograd::grad({(*f_)(leaf * 1)}, {leaf}, {incoming}, true, /*create_graph=*/true)[0];
  // ReLU's gradient depends on x nowhere.
  auto second = torch::autograd::grad({(gradient * v).sum()}, {leaf, incoming}, {}, false, false,
                                      /*allow_unused=*/true);
  if (!second[0].defined()) second[0] = at::zeros_like(x);
  const auto slope = [&](const at::Tensor& at) {
    return (Gradient(*f_, at, g) * v).sum().item<double>();
  };
  const double largest = std::max(1.0, second[0].abs().max().item<double>());
  for (int64_t i = 0; i < x.numel(); ++i) {
    // As above, relative to derivatives that reach 10^4.
    EXPECT_NEAR(second[0].flatten()[i].item<double>() / largest, Slope(slope, x, i) / largest,
                5e-7);
  }
  EXPECT_LT(Error(second[1], Gradient(*f_, x, v)), 1e-12);  // linear in g
}

TEST_P(EveryActivation, KeepsShapeTypeAndMemoryFormat) {
  // LibTorch's loops round differently at their ends, by one step of the type.
  for (const auto& [type, step] :
       {std::pair{at::kDouble, 1e-15}, {at::kFloat, 3e-7}, {at::kBFloat16, 8e-3}}) {
    const at::Tensor x =
        at::randn({2, 3, 4, 5}, at::kDouble).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor y = Apply(*f_, x);
    EXPECT_EQ(y.sizes(), x.sizes());
    EXPECT_EQ(y.scalar_type(), type);
    EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_LE(Error(y, Apply(*f_, x.contiguous())), step);
  }
  EXPECT_EQ(Apply(*f_, at::empty({0, 3, 2, 2})).sizes(), at::IntArrayRef({0, 3, 2, 2}));
  const at::Tensor strided = at::randn({4, 6}).t();
  EXPECT_LT(Error(Apply(*f_, strided), Apply(*f_, strided.contiguous())), 1e-6);
}

// In whatever formats values and gradients come, with maps of few pixels and channels that no
// vector's length divides, and memory that holds NaN where nothing was written.
TEST_P(EveryActivation, IsTheSameInAnyShapeAndFormat) {
  struct Precise {
    at::ScalarType type;
    double value, gradient;  // bounds of |error| / (1 + |right|)
  };
  // Bfloat16 keeps 8 bits, float32 24; a gradient is rounded more than once on the way.
  for (const Precise& precise :
       {Precise{at::kBFloat16, 0x1p-7, 0x1p-5}, Precise{at::kFloat, 1e-6, 3e-5}}) {
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{8, 6, 32, 32},
                                                                               {8, 13, 16, 16},
                                                                               {8, 51, 4, 4},
                                                                               {8, 51, 2, 2},
                                                                               {3, 51, 1, 1},
                                                                               {5, 7}}) {
      for (const int formats : {0, 1, 2, 3}) {  // of the values, and of the gradient that comes
        if (formats > 0 && shape.size() != 4) continue;
        const auto drawn = [&](bool channels_last) {
          return at::randn(shape)
              .to(precise.type)
              .contiguous(channels_last ? at::MemoryFormat::ChannelsLast
                                        : at::MemoryFormat::Contiguous);
        };
        const at::Tensor x = drawn((formats & 1) != 0), g = drawn((formats & 2) != 0);
        const auto spoil = [&] { at::full({4 * x.numel()}, NAN, x.options()); };
        const auto error = [](const at::Tensor& value, const at::Tensor& right) {
          const at::Tensor gaps = (value.to(at::kDouble) - right).abs() / (right.abs() + 1);
          return gaps.nan_to_num(INFINITY).max().item<double>();
        };
        spoil();
        const at::Tensor y = Apply(*f_, x);
        spoil();
        const at::Tensor dx = Gradient(*f_, x, g);
        const at::Tensor exact = x.to(at::kDouble);
        EXPECT_LT(error(y, Apply(*f_, exact)), precise.value) << x.sizes() << formats;
        EXPECT_LT(error(dx, Gradient(*f_, exact, g.to(at::kDouble))), precise.gradient)
            << x.sizes() << formats;
      }
    }
  }
}

TEST_P(EveryActivation, IsFiniteForHugeInputs) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const at::Tensor x = at::tensor({-1e4, -50., -1., 0., 1., 50., 1e4}).to(type).reshape({1, 7});
    EXPECT_TRUE(Apply(*f_, x).isfinite().all().item<bool>());
    EXPECT_TRUE(Gradient(*f_, x, at::ones_like(x)).isfinite().all().item<bool>());
  }
}

TEST_P(EveryActivation, PassesNaNOn) {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::full({1, 1}, std::numeric_limits<double>::quiet_NaN()).to(type);
    EXPECT_TRUE(Apply(*f_, x).isnan().item<bool>());
  }
}

TEST_P(EveryActivation, GivesItsLimitAtInfinity) {
  // LibTorch multiplies the infinity with 0.
  const std::set<std::string> torch_gives_nan = {"gelu", "silu", "softmax"};
  if (torch_gives_nan.count(GetParam().file) > 0) GTEST_SKIP() << "NaN in LibTorch";
  for (const auto type : {at::kDouble, at::kFloat}) {
    for (const double sign : {-1.0, 1.0}) {
      const auto value = [&](double x) {
        return Apply(*f_, at::full({1, 1}, sign * x).to(type)).item<double>();
      };
      const double limit = value(std::numeric_limits<double>::infinity());
      // (All floats beyond 2^25 are even integers: they alone would hide an oscillation.)
      const double far = value(12345.678), further = value(1e25);
      if (std::abs(further) > 1e6) {
        EXPECT_TRUE(std::isinf(limit)) << limit;
      } else if (std::abs(far - further) < 1e-4) {
        EXPECT_NEAR(limit, further, 1e-6);
      } else {
        EXPECT_TRUE(std::isnan(limit)) << "oscillates, so it has no limit";
      }
    }
  }
}

TEST_P(EveryActivation, StaysAboveItsInfimum) {
  const at::Tensor x = at::randn({100000, 1}, at::kFloat) * 4;
  // A rounding of float32.
  EXPECT_GE(Apply(*f_, x).min().item<double>(), f_->infimum() - 2e-7);
}

TEST_P(EveryActivation, GivesProbabilitiesAtTheOutput) {
  if (std::isinf(f_->infimum())) GTEST_SKIP() << "unbounded below";
  const at::Tensor z = at::randn({5, 4, 3}, at::kDouble) * 3;
  const at::Tensor log_p = f_->LogProbabilities(z).log_softmax(1);  // as losses do
  EXPECT_LT(Error(log_p.exp().sum(1), at::ones({5, 3})), 1e-12);
  if (GetParam().file == "softmax") {
    EXPECT_LT(Error(log_p, z.log_softmax(1)), 1e-12);
    return;
  }
  const at::Tensor mass = Apply(*f_, z) - f_->infimum() + 1e-6;
  EXPECT_LT(Error(log_p.exp(), mass / mass.sum(1, true)), 1e-9);
}

TEST_P(EveryActivation, HasAGainThatKeepsTheSecondMoment) {
  // gain^2 E[f(x)^2] = 1 for x of unit variance; for He's rule of ReLU this is exactly so. The
  // estimate from 400,000 normals errs by 1.2 % (softmax, whose exp(2x) has heavy tails).
  const at::Tensor x = at::randn({100, 4000}, at::kDouble);
  const double moment = Apply(*f_, x).square().mean().item<double>();
  EXPECT_NEAR(f_->gain() * f_->gain() * moment, 1, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryActivation,
                         testing::ValuesIn(pipeline::PluginIndex::Get().In("activations")),
                         [](const auto& info) { return info.param.name; });

}  // namespace
