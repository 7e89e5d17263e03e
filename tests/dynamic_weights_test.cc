// Dynamic weights: against a reference over 20 steps, and on a fusion that one term drowns.
#include "losses/dynamic_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <cmath>
#include <limits>

#include "losses/fusion.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace {

using losses::DynamicWeights;
using nlohmann::json;
using pipeline::Step;

at::Tensor Doubles(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

Step StepAt(int64_t index, const json& oracle) {
  const auto in_epoch = oracle["steps_in_epoch"].get<int64_t>();
  Step step;
  step.epoch = index / in_epoch;
  step.index = index % in_epoch;
  step.seed = oracle["seed"];
  return step;
}

void ExpectFactors(DynamicWeights* weights, const std::string& method, double tolerance) {
  const json oracle = testing_support::ReadOracle("losses/testdata/dynamic_weights.json");
  ASSERT_EQ(oracle["values"].size(), 20);
  for (int64_t i = 0; i < 20; ++i) {
    const Step step = StepAt(i, oracle);
    const auto expected = oracle["factors"][method][i].get<std::vector<double>>();
    const std::vector<double> factors = weights->Factors(step);
    ASSERT_EQ(factors.size(), expected.size());
    for (size_t k = 0; k < factors.size(); ++k) {
      EXPECT_NEAR(factors[k], expected[k], tolerance * expected[k]) << method << " step " << i;
    }
    const auto values = oracle["values"][i].get<std::vector<double>>();
    weights->Observe(step, Doubles(values), Doubles(oracle["norms"][i].get<std::vector<double>>()));
    const at::Tensor extra = weights->Extra(Doubles(values));
    if (!extra.defined()) continue;
    // One step of gradient descent on the parameters, of size 0.05.
    at::Tensor parameter = weights->module()->parameters()[0];
    const at::Tensor gradient = torch::autograd::grad({extra}, {parameter})[0];
    const c10::NoGradGuard no_gradients;
    parameter -= 0.05 * gradient;
  }
}

// Sums of 20 terms in float64; the learned s are float32.
TEST(DynamicWeights, UncertaintyEqualsItsReference) {
  ExpectFactors(losses::UncertaintyWeights(3).get(), "uncertainty", 1e-5);
}
TEST(DynamicWeights, DwaEqualsItsReference) {
  ExpectFactors(losses::DwaWeights(3, 2).get(), "dwa", 1e-12);
}
TEST(DynamicWeights, GradNormEqualsItsReference) {
  ExpectFactors(losses::GradNormWeights(3, 1.5, 0.1).get(), "gradnorm", 1e-12);
}
TEST(DynamicWeights, RandomEqualsItsReference) {
  ExpectFactors(losses::RandomWeights(3).get(), "random", 1e-12);
}

// The factors of the third epoch, after two of one step each.
std::vector<double> DwaAfter(const std::vector<double>& first, const std::vector<double>& second) {
  const auto weights = losses::DwaWeights(3, 2);
  Step step;
  for (const std::vector<double>& values : {first, second}) {
    weights->Factors(step);
    weights->Observe(step, Doubles(values), {});
    ++step.epoch;
  }
  return weights->Factors(step);
}

TEST(DynamicWeights, DwaCountsATermThatWasZeroAsUnchanged) {
  const auto shares = [](double a, double b, double c) {
    const double x = std::exp(a / 2), y = std::exp(b / 2), z = std::exp(c / 2), sum = x + y + z;
    return std::vector<double>{3 * x / sum, 3 * y / sum, 3 * z / sum};
  };
  const auto expect = [&](const std::vector<double>& first, const std::vector<double>& second,
                          const std::vector<double>& expected) {
    const std::vector<double> found = DwaAfter(first, second);
    for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(found[k], expected[k], 1e-12) << k;
  };
  expect({2, 0, 4}, {1, 5, 2}, shares(0.5, 1, 0.5));
  expect({0, 2, 4}, {1, 1, 4}, shares(1, 0.5, 1));
  expect({2, 4, 0}, {1, 1, 0}, shares(0.5, 0.25, 1));
  expect({0, 0, 0}, {1, 2, 3}, {1, 1, 1});
  // A ratio that no double holds takes all of the weight.
  expect({1, 1e-310, 1}, {1, 1, 1}, {0, 3, 0});
}

TEST(DynamicWeights, GradNormDoesNotLearnFromAnInfiniteGradient) {
  const auto weights = losses::GradNormWeights(2, 1.5, 0.1);
  weights->Observe(Step(), Doubles({1, 1}), Doubles({1, 2}));
  const std::vector<double> before = weights->Factors(Step());
  weights->Observe(Step(), Doubles({1, 1}), Doubles({std::numeric_limits<double>::infinity(), 2}));
  EXPECT_EQ(weights->Factors(Step()), before);
}

// Copies parameters and buffers by name, as a checkpoint does.
void CopyState(DynamicWeights* from, DynamicWeights* to) {
  const c10::NoGradGuard no_gradients;
  for (const auto& item : from->module()->named_parameters()) {
    to->module()->named_parameters()[item.key()].copy_(item.value());
  }
  for (const auto& item : from->module()->named_buffers()) {
    to->module()->named_buffers()[item.key()].copy_(item.value());
  }
}

TEST(DynamicWeights, KeepTheirStateInTheModule) {
  const json oracle = testing_support::ReadOracle("losses/testdata/dynamic_weights.json");
  const auto makers = {+[] { return losses::DwaWeights(3, 2); },
                       +[] { return losses::GradNormWeights(3, 1.5, 0.1); }};
  for (const auto& make : makers) {
    auto whole = make(), first = make(), second = make();
    for (int64_t i = 0; i < 20; ++i) {
      const Step step = StepAt(i, oracle);
      const auto values = Doubles(oracle["values"][i].get<std::vector<double>>());
      const auto norms = Doubles(oracle["norms"][i].get<std::vector<double>>());
      DynamicWeights* interrupted = i < 12 ? first.get() : second.get();
      if (i == 12) CopyState(first.get(), second.get());
      EXPECT_EQ(whole->Factors(step), interrupted->Factors(step)) << i;
      whole->Observe(step, values, norms);
      interrupted->Observe(step, values, norms);
    }
  }
}

// A planted problem: two samples, a term for each, the first of 1000 times the scale, and steps of
// a fixed length (as with clipped gradients). Fixed weights spend them on the first sample until it
// is solved to three digits. Returns the probability of the second's class after 250 steps.
double SecondSampleLearns(DynamicWeights* weights) {
  const auto loss = *losses::Losses::Get().Create(
      testing_support::PluginOf("losses/CategoricalCrossEntropy", ""));
  at::Tensor logits = at::zeros({2, 2}, at::kDouble).requires_grad_();
  const at::Tensor labels[] = {at::tensor({0, -100}, at::kLong), at::tensor({-100, 0}, at::kLong)};
  const double scales[] = {1000, 1};
  for (int i = 0; i < 250; ++i) {
    Step step;
    step.index = i;
    const std::vector<double> factors =
        weights == nullptr ? std::vector<double>{1, 1} : weights->Factors(step);
    std::vector<double> values, norms;
    at::Tensor total = at::zeros({}, at::kDouble);
    for (int k = 0; k < 2; ++k) {
      const at::Tensor weight = (labels[k] >= 0).to(at::kDouble);
      const std::vector<losses::Term> term = {{loss.get(), scales[k]}};
      const auto value = losses::Fuse(step, logits, labels[k], weight, term);
      values.push_back(value.total.item<double>());
      norms.push_back(
          losses::Gradient(step, logits, labels[k], weight, term).norm().item<double>());
      total = total + value.total * factors[k];
    }
    if (weights != nullptr) weights->Observe(step, Doubles(values), Doubles(norms));
    const at::Tensor extra = weights == nullptr ? at::Tensor() : weights->Extra(Doubles(values));
    std::vector<at::Tensor> parameters = {logits};
    if (extra.defined()) {
      total = total + extra;
      parameters.push_back(weights->module()->parameters()[0]);
    }
    const auto gradients = torch::autograd::grad({total}, parameters);
    const c10::NoGradGuard no_gradients;
    logits -= 0.02 * gradients[0] / gradients[0].norm();
    // Adam's first steps are of this kind.
    if (extra.defined()) parameters[1] -= 0.05 * gradients[1].sign();
  }
  return logits.softmax(1)[1][0].item<double>();
}

TEST(DynamicWeights, RepairATermThatDrownsTheOther) {
  EXPECT_LT(SecondSampleLearns(nullptr), 0.65);
  EXPECT_GT(SecondSampleLearns(losses::GradNormWeights(2, 0, 0.1).get()), 0.9);
  EXPECT_GT(SecondSampleLearns(losses::UncertaintyWeights(2).get()), 0.8);
}

}  // namespace
