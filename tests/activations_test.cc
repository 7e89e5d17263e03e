// What every registered activation must hold: golden values, gradients, and safety at the edges.
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/utils.h>

#include <limits>

#include "activations/activation.h"
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

class EveryActivation : public testing::TestWithParam<PluginName> {
 protected:
  void SetUp() override {
    torch::manual_seed(7);
    f_ = Make(GetParam());
  }
  std::unique_ptr<Activation> f_;
};

TEST_P(EveryActivation, EqualsItsOracle) {
  const auto oracle =
      testing_support::ReadOracle("activations/testdata/" + GetParam().file + ".json");
  if (oracle.is_null()) GTEST_SKIP() << "no activations/testdata/" << GetParam().file << ".json";
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

TEST_P(EveryActivation, HasTheGradientOfItsValue) {
  constexpr double kStepSize = 1e-6;
  // Off the kinks at 0 that piecewise functions have.
  const at::Tensor x = at::randn({2, 5, 3}, at::kDouble) * 3 + 0.01;
  const at::Tensor g = at::randn_like(x);
  const at::Tensor gradient = Gradient(*f_, x, g).flatten();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const auto shifted = [&](double by) {
      at::Tensor moved = x.clone();
      moved.view({-1})[i] += by;
      return (Apply(*f_, moved) * g).sum().item<double>();
    };
    const double slope = (shifted(kStepSize) - shifted(-kStepSize)) / (2 * kStepSize);
    EXPECT_NEAR(gradient[i].item<double>(), slope, 1e-7);  // rounding / step size
  }
}

TEST_P(EveryActivation, KeepsShapeTypeAndMemoryFormat) {
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const at::Tensor x =
        at::randn({2, 3, 4, 5}, at::kDouble).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor y = Apply(*f_, x);
    EXPECT_EQ(y.sizes(), x.sizes());
    EXPECT_EQ(y.scalar_type(), type);
    EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_LT(Error(y, Apply(*f_, x.contiguous())), 1e-12);
  }
  EXPECT_EQ(Apply(*f_, at::empty({0, 3, 2, 2})).sizes(), at::IntArrayRef({0, 3, 2, 2}));
  const at::Tensor strided = at::randn({4, 6}).t();
  EXPECT_LT(Error(Apply(*f_, strided), Apply(*f_, strided.contiguous())), 1e-6);
}

TEST_P(EveryActivation, IsFiniteForHugeInputs) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const at::Tensor x = at::tensor({-1e4, -50., -1., 0., 1., 50., 1e4}).to(type).reshape({1, 7});
    EXPECT_TRUE(Apply(*f_, x).isfinite().all().item<bool>());
    EXPECT_TRUE(Gradient(*f_, x, at::ones_like(x)).isfinite().all().item<bool>());
  }
}

TEST_P(EveryActivation, PassesNaNOn) {
  const at::Tensor x = at::full({1, 1}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(Apply(*f_, x).isnan().item<bool>());
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
