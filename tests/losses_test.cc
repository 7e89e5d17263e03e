// What every registered loss must hold: golden values, gradients, and safety at the edges.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "losses/fusion.h"
#include "pipeline/training/device.h"
#include "tests/oracle.h"

namespace {

using losses::LossInput;
using losses::LossValue;
using pipeline::PluginName;
using testing_support::Error;
using testing_support::PluginOf;
using testing_support::TensorOf;

const pipeline::Step kStep;

// The value as the fusion computes it: 0 where nothing has weight.
at::Tensor Value(losses::Loss& loss, const at::Tensor& logits, const at::Tensor& target,
                 const at::Tensor& weight) {
  const LossValue value = loss(LossInput(kStep, logits, target, weight));
  EXPECT_EQ(value.sum.dim(), 1);
  EXPECT_EQ(value.sum.sizes(), value.weight.sizes());
  const at::Tensor amount = value.weight.sum();
  return value.sum.sum() / at::where(amount > 0, amount, at::ones_like(amount));
}

at::Tensor Gradient(losses::Loss& loss, const at::Tensor& logits, const at::Tensor& target,
                    const at::Tensor& weight) {
  const at::Tensor leaf = logits.detach().clone().requires_grad_();
  return torch::autograd::grad({Value(loss, leaf, target, weight)}, {leaf})[0];
}

std::unique_ptr<losses::Loss> Make(const PluginName& name, const std::string& options = "") {
  auto made = losses::Losses::Get().Create(PluginOf(name.Url(), options));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

class EveryLoss : public testing::TestWithParam<PluginName> {
 protected:
  void SetUp() override {
    pipeline::SeedGenerators(7);
    // A sum needs terms; every other loss works as it comes.
    loss_ = Make(GetParam(), GetParam().name == "Sum"
                                 ? "term { [losses/Focal] {} } term { [losses/Dice] {} }"
                                 : "");
  }

  struct Batch {
    at::Tensor logits, target, weight;
  };
  static Batch RandomBatch(const std::vector<int64_t>& shape, double scale = 2) {
    std::vector<int64_t> labels = shape;
    labels.erase(labels.begin() + 1);
    return {at::randn(shape, at::kDouble) * scale, at::randint(shape[1], labels, at::kLong),
            at::rand(labels, at::kDouble) + 0.5};
  }
  static std::vector<Batch> RandomBatches() {
    return {RandomBatch({3, 4}), RandomBatch({5, 2}), RandomBatch({2, 3, 2, 3}),
            RandomBatch({1, 2, 4, 1})};
  }

  std::unique_ptr<losses::Loss> loss_;
};

TEST_P(EveryLoss, EqualsItsOracle) {
  if (GetParam().file == "sum") GTEST_SKIP() << "made of others, which fusion_test compares";
  const auto oracle = testing_support::ReadOracle("losses/testdata/" + GetParam().file + ".json");
  ASSERT_GE(oracle["cases"].size(), 200);
  for (const auto& c : oracle["cases"]) {
    SCOPED_TRACE(c["options"].get<std::string>() + " " + c["shape"].dump() + " " +
                 c["oracle"].get<std::string>());
    const auto loss = Make(GetParam(), c["options"]);
    const std::vector<int64_t> shape = c["shape"];
    std::vector<int64_t> label_shape = shape;
    label_shape.erase(label_shape.begin() + 1);
    const at::Tensor logits = TensorOf<double>(c["logits"], shape);
    const at::Tensor labels = TensorOf<int64_t>(c["labels"], label_shape);
    const at::Tensor target = labels.clamp_min(0);
    at::Tensor weight = (labels != pipeline::kIgnoredLabel).to(at::kDouble);
    losses::Classes classes;
    classes.count = shape[1];
    if (c.contains("class_weights")) {
      classes.weights = c["class_weights"].get<std::vector<double>>();
      weight = weight * TensorOf<double>(c["class_weights"], {shape[1]}).take(target);
    }
    ASSERT_TRUE(loss->Prepare(classes).ok());
    const at::Tensor gradient = TensorOf<double>(c["gradient"], shape);
    const at::Tensor value = at::tensor(c["value"].get<double>(), at::kDouble);
    EXPECT_LT(Error(Value(*loss, logits, target, weight), value), 1e-10);
    EXPECT_LT(Error(Gradient(*loss, logits, target, weight), gradient), 1e-10);
    // Seven digits, less a few for sums and for logits of +-30.
    const at::Tensor narrow = logits.to(at::kFloat);
    EXPECT_LT(Error(Value(*loss, narrow, target, weight.to(at::kFloat)), value), 1e-5);
    EXPECT_LT(Error(Gradient(*loss, narrow, target, weight.to(at::kFloat)), gradient), 1e-5);
    const at::Tensor leaf = narrow.clone().requires_grad_();
    const auto fast =
        losses::Fuse(kStep, leaf, labels, weight.to(at::kFloat), {{loss.get(), 1}}).total;
    EXPECT_LT(Error(fast, value), 1e-5);
    EXPECT_LT(Error(torch::autograd::grad({fast}, {leaf})[0], gradient), 1e-5);
  }
}

TEST_P(EveryLoss, HasTheGradientOfItsValue) {
  constexpr double kStepSize = 1e-5;
  for (const Batch& batch : RandomBatches()) {
    const at::Tensor gradient = Gradient(*loss_, batch.logits, batch.target, batch.weight);
    const at::Tensor flat = gradient.flatten();
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const auto shifted = [&](double by) {
        at::Tensor logits = batch.logits.clone();
        logits.view({-1})[i] += by;
        return Value(*loss_, logits, batch.target, batch.weight).item<double>();
      };
      const double slope = (shifted(kStepSize) - shifted(-kStepSize)) / (2 * kStepSize);
      // Central differences err by step^2 and by rounding / step: about 1e-10 each.
      EXPECT_NEAR(flat[i].item<double>(), slope, 1e-8);
    }
  }
}

TEST_P(EveryLoss, IsFiniteForHugeLogits) {
  for (const double scale : {1e2, 1e4}) {
    for (const auto type : {at::kDouble, at::kFloat}) {
      const Batch batch = RandomBatch({4, 3, 2, 2}, scale);
      const at::Tensor logits = batch.logits.to(type);
      const at::Tensor weight = batch.weight.to(type);
      EXPECT_TRUE(Value(*loss_, logits, batch.target, weight).isfinite().item<bool>());
      EXPECT_TRUE(Gradient(*loss_, logits, batch.target, weight).isfinite().all().item<bool>());
    }
  }
}

TEST_P(EveryLoss, IsNearZeroWhereTheLogitsAreRight) {
  for (const Batch& batch : RandomBatches()) {
    const at::Tensor sure =
        at::zeros_like(batch.logits).scatter_(1, batch.target.unsqueeze(1), 50.0);
    EXPECT_LT(Value(*loss_, sure, batch.target, batch.weight).item<double>(), 1e-3);
    EXPECT_GT(Value(*loss_, -sure, batch.target, batch.weight).item<double>(),
              Value(*loss_, sure, batch.target, batch.weight).item<double>());
  }
}

TEST_P(EveryLoss, DoesNotSeeIgnoredPixels) {
  for (const auto& shape : std::vector<std::vector<int64_t>>{{4, 3}, {2, 3, 3, 2}}) {
    const Batch batch = RandomBatch(shape);
    at::Tensor weight = batch.weight.clone();
    weight.view({-1}).slice(0, 0, weight.numel(), 2).zero_();
    at::Tensor changed = batch.logits.clone();
    changed += (weight == 0).unsqueeze(1) * at::randn_like(changed) * 100;
    EXPECT_EQ(Value(*loss_, batch.logits, batch.target, weight).item<double>(),
              Value(*loss_, changed, batch.target, weight).item<double>());
    const at::Tensor before = Gradient(*loss_, batch.logits, batch.target, weight);
    const at::Tensor after = Gradient(*loss_, changed, batch.target, weight);
    EXPECT_TRUE(before.equal(after));
    EXPECT_EQ(before.masked_select((weight == 0).unsqueeze(1)).abs().sum().item<double>(), 0);
  }
}

TEST_P(EveryLoss, IsZeroWhereEverythingIsIgnored) {
  const Batch batch = RandomBatch({2, 3, 2, 2});
  const at::Tensor nothing = at::zeros_like(batch.weight);
  EXPECT_EQ(Value(*loss_, batch.logits, batch.target, nothing).item<double>(), 0);
  EXPECT_EQ(Gradient(*loss_, batch.logits, batch.target, nothing).abs().sum().item<double>(), 0);
}

TEST_P(EveryLoss, DoesNotDependOnTheOrderOfTheBatch) {
  const Batch batch = RandomBatch({5, 3, 2, 2});
  const at::Tensor order = at::tensor({3, 1, 4, 0, 2}, at::kLong);
  const double before = Value(*loss_, batch.logits, batch.target, batch.weight).item<double>();
  const double after =
      Value(*loss_, batch.logits.index_select(0, order), batch.target.index_select(0, order),
            batch.weight.index_select(0, order))
          .item<double>();
  EXPECT_NEAR(before, after, 1e-14);  // sums in another order
}

TEST_P(EveryLoss, SurvivesMasksOfOneClass) {
  for (const int64_t only : {0, 2}) {
    const Batch batch = RandomBatch({2, 3, 3, 3});
    const at::Tensor target = at::full_like(batch.target, only);
    const at::Tensor weight = at::ones_like(batch.weight);
    EXPECT_TRUE(Value(*loss_, batch.logits, target, weight).isfinite().item<bool>());
    EXPECT_TRUE(Gradient(*loss_, batch.logits, target, weight).isfinite().all().item<bool>());
  }
}

TEST_P(EveryLoss, WidensHalfPrecision) {
  const Batch batch = RandomBatch({4, 3});
  const at::Tensor half = batch.logits.to(at::kBFloat16);
  const at::Tensor weight = at::ones({4}, at::kFloat);
  EXPECT_EQ(Value(*loss_, half, batch.target, weight).item<double>(),
            Value(*loss_, half.to(at::kFloat), batch.target, weight).item<double>());
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryLoss,
                         testing::ValuesIn(pipeline::PluginIndex::Get().In("losses")),
                         [](const auto& info) { return info.param.name; });

}  // namespace
