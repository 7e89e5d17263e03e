// Learning rates, optimizers, hashes: the parts of the core that stand alone.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <set>

#include "pipeline/cli/terminal.h"
#include "pipeline/diagnostics.h"
#include "pipeline/runs/metrics_csv.h"
#include "pipeline/stage.h"
#include "pipeline/training/device.h"
#include "pipeline/training/optimizer.h"
#include "tests/testing.h"

namespace {

using testing_support::Workspace;

// ---- learning rate ----

pipeline::Train TrainOptions(pipeline::Train::Schedule schedule, double warmup = 0) {
  pipeline::Train options;
  options.set_epochs(10);
  options.set_learning_rate(0.1);
  options.set_schedule(schedule);
  options.set_warmup_epochs(warmup);
  return options;
}

TEST(LearningRate, FollowsItsSchedule) {
  using pipeline::LearningRate;
  using pipeline::Train;
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::CONSTANT), 9, 3, 4), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::COSINE), 0, 0, 4), 0.1);
  EXPECT_NEAR(LearningRate(TrainOptions(Train::COSINE), 5, 0, 4), 0.05, 1e-15);
  EXPECT_LT(LearningRate(TrainOptions(Train::COSINE), 9, 3, 4), 0.0002);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::STEP), 4, 3, 4), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::STEP), 5, 0, 4), 0.01);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::STEP), 8, 0, 4), 0.001);
  // Two epochs of warm-up: an eighth of the way after the first of eight steps.
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::CONSTANT, 2), 0, 0, 4), 0.1 / 8);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::CONSTANT, 2), 1, 3, 4), 0.1);
  EXPECT_NEAR(LearningRate(TrainOptions(Train::COSINE, 2), 6, 0, 4), 0.05, 1e-15);
}

TEST(LearningRate, HalvesOnAPlateau) {
  EXPECT_EQ(pipeline::PlateauFactor({}), 1);
  EXPECT_EQ(pipeline::PlateauFactor({0.1, 0.2, 0.3, 0.4}), 1);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.4}), 1);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.4, 0.5}), 0.5);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.4, 0.5, 0.1, 0.1, 0.1}), 0.25);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.6, 0.5, 0.1}), 1);
}

TEST(Optimizer, ClipsTheNormOfTheWholeGradient) {
  pipeline::Train options;
  options.set_optimizer(pipeline::Train::SGD);
  options.set_clip_norm(1);
  at::Tensor a = at::zeros({2}).requires_grad_(), b = at::zeros({1}).requires_grad_();
  pipeline::Optimizer optimizer(options, {a, b});
  a.mutable_grad() = at::tensor({3.0F, 0.0F});
  b.mutable_grad() = at::tensor({4.0F});
  EXPECT_DOUBLE_EQ(optimizer.GradientNorm(), 5);
  optimizer.Step(1, optimizer.GradientNorm());
  // Nesterov's first step moves by (1 + momentum) times the gradient, of norm 5 clipped to 1.
  EXPECT_NEAR(a[0].item<double>(), -1.9 * 0.6, 1e-5);
  EXPECT_NEAR(b[0].item<double>(), -1.9 * 0.8, 1e-5);
}

// LibTorch's own optimizers are the oracle: the same parameters after 20 steps of random gradients.
template <class Reference, class Options>
void ExpectSameAs(pipeline::Train::Optimizer method, Options reference_options) {
  pipeline::SeedGenerators(3);
  pipeline::Train options;
  options.set_optimizer(method);
  options.set_weight_decay(0.03);
  at::Tensor start = at::randn({4, 3, 5, 5});
  at::Tensor ours = start.clone().contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  at::Tensor bias = at::zeros({7}).requires_grad_(), unused = at::ones({2}).requires_grad_();
  at::Tensor theirs = start.clone().requires_grad_(), their_bias = at::zeros({7}).requires_grad_();
  pipeline::Optimizer optimizer(options, {ours, bias, unused});
  Reference reference({theirs, their_bias}, reference_options.weight_decay(0.03));
  for (int step = 0; step < 20; ++step) {
    const double rate = 0.01 / (step + 1);
    theirs.mutable_grad() = at::randn_like(theirs);
    their_bias.mutable_grad() = at::randn_like(their_bias);
    ours.mutable_grad() = theirs.grad().clone();  // another memory format than the parameter's
    bias.mutable_grad() = their_bias.grad().clone();
    for (auto& group : reference.param_groups()) group.options().set_lr(rate);
    reference.step();
    optimizer.Step(rate, optimizer.GradientNorm());
  }
  // Float32 rounding of 20 updates.
  EXPECT_LT((ours - theirs).abs().max().template item<double>(), 1e-6);
  EXPECT_LT((bias - their_bias).abs().max().template item<double>(), 1e-6);
  EXPECT_TRUE(unused.equal(at::ones({2})));
}

TEST(Optimizer, EqualsLibTorch) {
  ExpectSameAs<torch::optim::Adam>(pipeline::Train::ADAM, torch::optim::AdamOptions(0.01));
  ExpectSameAs<torch::optim::AdamW>(pipeline::Train::ADAMW, torch::optim::AdamWOptions(0.01));
  ExpectSameAs<torch::optim::SGD>(pipeline::Train::SGD,
                                  torch::optim::SGDOptions(0.01).momentum(0.9).nesterov(true));
}

TEST(Optimizer, MovesDownhillWithEveryMethod) {
  for (int method = pipeline::Train::Optimizer_MIN; method <= pipeline::Train::Optimizer_MAX;
       ++method) {
    pipeline::Train options;
    options.set_optimizer(static_cast<pipeline::Train::Optimizer>(method));
    at::Tensor x = at::full({1}, 3.0).requires_grad_();
    pipeline::Optimizer optimizer(options, {x});
    for (int i = 0; i < 400; ++i) {
      optimizer.ZeroGradients();
      (x * x).sum().backward();
      optimizer.Step(0.02, optimizer.GradientNorm());
    }
    EXPECT_LT(x.abs().item<double>(), 0.05) << method;
  }
}

// ---- small things ----

TEST(Hash, SpreadsNeighbours) {
  std::set<uint64_t> seen;
  for (uint64_t a = 0; a < 100; ++a) {
    for (uint64_t b = 0; b < 100; ++b) seen.insert(pipeline::Hash({a, b}));
  }
  EXPECT_EQ(seen.size(), 10000);
  double ones = 0;
  for (const uint64_t value : seen) ones += __builtin_popcountll(value);
  // 640,000 fair bits: 0.5 within five standard deviations.
  EXPECT_NEAR(ones / 640000, 0.5, 5 * 0.5 / std::sqrt(640000.0));
}

TEST(Suggestions, AreNear) {
  EXPECT_EQ(pipeline::DidYouMean("Focl", {"Focal", "Dice"}), "; did you mean \"Focal\"?");
  EXPECT_EQ(pipeline::DidYouMean("smoothl1", {"SmoothL1"}), "; did you mean \"SmoothL1\"?");
  EXPECT_EQ(pipeline::DidYouMean("Tversky", {"Focal", "Dice"}), "");
}

TEST(Terminal, FormatsForPeople) {
  EXPECT_EQ(pipeline::Duration(62), "1:02");
  EXPECT_EQ(pipeline::Duration(3723), "1:02:03");
  EXPECT_EQ(pipeline::Thousands(14724036), "14,724,036");
  EXPECT_EQ(pipeline::Thousands(123), "123");
  EXPECT_EQ(pipeline::Bar(5, 10), "[==========>         ]");
  EXPECT_EQ(pipeline::Bar(10, 10), "[====================]");
}

TEST(MetricsCsv, GrowsColumnsAsTheyAppear) {
  const Workspace workspace;
  pipeline::MetricsCsv metrics("metrics.csv");
  ASSERT_TRUE(metrics.AddRow({{"epoch", "1"}}, {{"a", 0.5}}).ok());
  ASSERT_TRUE(metrics.AddRow({{"epoch", "2"}}, {{"b", std::nan("")}, {"a", 1.0 / 3}}).ok());
  EXPECT_EQ(workspace.Read("metrics.csv"), "epoch,a,b\n1,0.5,\n2,0.333333333,\n");
}

}  // namespace
