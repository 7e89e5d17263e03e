// What takes another form on a GPU, against the processor's: skipped where there is none.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>
#include <torch/nn/module.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "activations/activation.h"
#include "activations/piecewise_gpu.h"
#include "losses/fusion.h"
#include "losses/fusion_gpu.h"
#include "pipeline/training/device.h"
#include "pipeline/training/optimizer.h"
#include "plugins/loading/batch.h"
#include "plugins/loading/uploads.h"
#include "plugins/pixels/pixels.h"
#include "tests/stages.h"

namespace {

using pipeline::Step;
using testing_support::Error;
using testing_support::PluginOf;

class OnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
    pipeline::ConfigureGpu("cuda:0", pipeline::Train::FP32, false);
  }
  const at::Device gpu_{at::kCUDA, 0};
};

struct Named {
  const char* name;
  const char* options;
};

std::unique_ptr<losses::Loss> LossOf(const Named& named, const losses::Classes& classes) {
  auto loss =
      *losses::Losses::Get().Create(PluginOf(std::string("losses/") + named.name, named.options));
  EXPECT_TRUE(loss->Prepare(classes).ok());
  return loss;
}

const Named kLosses[] = {{"SmoothL1", ""},
                         {"CategoricalCrossEntropy", ""},
                         {"CategoricalCrossEntropy", "label_smoothing: 0.1"},
                         {"BinaryCrossEntropy", ""},
                         {"Mse", ""},
                         {"Focal", ""},
                         {"Focal", "alpha: 0.3 gamma: 1.5"},
                         {"Dice", ""},
                         {"Tversky", ""},
                         {"Calibration", ""}};

const Named kActivations[] = {{"MittagLeffler", ""},
                              {"MittagLeffler", "form: TANH"},
                              {"Lerch", ""},
                              {"Lerch", "form: BOUNDED"},
                              {"Jacobi", ""},
                              {"Jacobi", "form: SNAKE"},
                              {"Jacobi", "form: POLYNOMIAL"},
                              {"Weierstrass", ""},
                              {"Weierstrass", "form: TANH_RIPPLE"}};

struct FusedOn {
  at::Tensor total, account, gradient;
};

FusedOn FuseOn(const at::Device& device, const at::Tensor& logits, const at::Tensor& labels,
               const std::vector<double>& class_weights, const std::vector<losses::Term>& terms) {
  const at::Tensor leaf = logits.to(device).detach().requires_grad_();
  const at::Tensor there = labels.to(device);
  at::Tensor weight;
  EXPECT_TRUE(losses::WeighLabels(there, logits.size(1), class_weights, &weight).ok());
  const losses::FusedValue value = losses::Fuse(Step(), leaf, there, weight, terms);
  const at::Tensor gradient = torch::autograd::grad({value.total}, {leaf})[0];
  return {value.total.detach().cpu(), value.account.cpu(), gradient.cpu()};
}

// First, since they are compared once in a process.
TEST_F(OnGpu, KernelsAgreeWithOperatorsWhereverTheyAreChecked) {
  testing::internal::CaptureStderr();
  losses::Classes classes;
  classes.count = 7;
  for (const Named& named : kLosses) {
    const auto loss = LossOf(named, classes);
    FuseOn(gpu_, at::randn({9, 7}), at::randint(7, {9}, at::kLong), {}, {{loss.get(), 1}});
    const at::Tensor images = at::randn({2, 7, 4, 4}), masks = at::randint(7, {2, 4, 4}, at::kLong);
    FuseOn(gpu_, images, masks, {}, {{loss.get(), 1}});
    FuseOn(gpu_, images.contiguous(at::MemoryFormat::ChannelsLast), masks, {}, {{loss.get(), 1}});
  }
  for (const Named& named : kActivations) {
    const auto f = *activations::Activations::Get().Create(
        PluginOf(std::string("activations/") + named.name, named.options));
    for (const auto type : {at::kFloat, at::kBFloat16, at::kHalf}) {
      (*f)(at::randn({9}).to(gpu_, type));
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(OnGpu, LossesEqualTheProcessors) {
  pipeline::SeedGenerators(3);
  losses::Classes classes;
  classes.count = 7;
  std::vector<std::unique_ptr<losses::Loss>> owned;
  std::vector<std::vector<losses::Term>> fusions(1);
  for (const Named& named : kLosses) {
    owned.push_back(LossOf(named, classes));
    fusions.push_back({{owned.back().get(), 1.5}});
    fusions[0].push_back({owned.back().get(), 0.5 + static_cast<double>(owned.size())});
  }
  for (const auto& shape : std::vector<std::vector<int64_t>>{{65, 7}, {3, 7, 40, 37}}) {
    std::vector<int64_t> label_shape = shape;
    label_shape.erase(label_shape.begin() + 1);
    at::Tensor logits = at::randn(shape) * 4;
    if (shape.size() == 4) logits = logits.contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor labels = at::randint(7, label_shape, at::kLong);
    labels.masked_fill_(at::rand(label_shape) < 0.1, pipeline::kIgnoredLabel);
    for (size_t i = 0; i < fusions.size(); ++i) {
      const FusedOn here = FuseOn(at::kCPU, logits, labels, {}, fusions[i]);
      const FusedOn there = FuseOn(gpu_, logits, labels, {}, fusions[i]);
      EXPECT_LT(Error(there.total, here.total), 1e-5) << i;
      EXPECT_LT(Error(there.account, here.account), 1e-5) << i;
      EXPECT_LT((there.gradient - here.gradient).norm().item<double>(),
                1e-4 * here.gradient.norm().item<double>())
          << i;
    }
  }
}

TEST_F(OnGpu, TheKernelsOfLossesAreMade) {
  losses::Classes classes;
  classes.count = 4;
  for (const Named& named : kLosses) {
    const auto loss = LossOf(named, classes);
    const losses::FusedOnGpu fused =
        losses::FuseOnGpu(at::randn({9, 4}).to(gpu_), at::randint(4, {9}, at::kLong).to(gpu_), {},
                          0, {{loss->pixel_form(), loss->ratio_form(), 1}});
    EXPECT_TRUE(fused.total.defined()) << named.name;
  }
}

TEST_F(OnGpu, ALabelThatIsNoneMakesTheLossNaN) {
  losses::Classes classes;
  classes.count = 4;
  for (const Named& named : {kLosses[1], kLosses[7]}) {
    const auto loss = LossOf(named, classes);
    at::Tensor labels = at::randint(4, {9}, at::kLong);
    labels[3] = 4;
    const FusedOn fused = FuseOn(gpu_, at::randn({9, 4}), labels, {}, {{loss.get(), 1}});
    EXPECT_TRUE(std::isnan(fused.total.item<double>())) << named.name;
  }
}

TEST_F(OnGpu, ActivationsEqualTheProcessors) {
  pipeline::SeedGenerators(4);
  const at::Tensor wide = at::randn({3, 5, 17, 13}) * 4;
  for (const auto& [type, tolerance] :
       {std::pair{at::kFloat, 3e-6}, {at::kBFloat16, 8e-3}, {at::kHalf, 2e-3}}) {
    for (const Named& named : kActivations) {
      const auto f = *activations::Activations::Get().Create(
          PluginOf(std::string("activations/") + named.name, named.options));
      // Unaligned and dense, and in another order.
      for (const at::Tensor& given :
           {wide.flatten().slice(0, 1), wide.contiguous(at::MemoryFormat::ChannelsLast)}) {
        const at::Tensor x = given.to(type).requires_grad_();
        const at::Tensor there = given.to(type).to(gpu_).requires_grad_();
        const at::Tensor y = (*f)(x * 1), y_there = (*f)(there * 1);
        EXPECT_LE(Error(y_there.detach().cpu(), y.detach()), tolerance) << named.name;
        const at::Tensor g = torch::autograd::grad({y.sum()}, {x})[0];
        const at::Tensor g_there = torch::autograd::grad({y_there.sum()}, {there})[0];
        EXPECT_LE((g_there.cpu() - g).abs().max().item<double>(),
                  10 * tolerance * std::max(1.0, g.abs().max().item<double>()))
            << named.name << " " << named.options << " " << type;
      }
      const at::Tensor mapped = activations::MapOnGpu(*f->piecewise(), wide.to(gpu_, type), {});
      EXPECT_TRUE(mapped.defined()) << "by operators";
    }
  }
}

TEST_F(OnGpu, ALearnedAlphaIsFollowedAsOnTheProcessor) {
  pipeline::SeedGenerators(9);
  const at::Tensor wide = at::randn({4, 3, 7, 5}) * 4;
  for (const char* form : {"ELU", "TANH"}) {
    std::vector<at::Tensor> results[2];
    for (const at::Device& device : {at::Device(at::kCPU), gpu_}) {
      const auto f = *activations::Activations::Get().Create(
          PluginOf("activations/MittagLeffler", std::string("learnable: true form: ") + form));
      f->module()->to(device);
      for (const double learned : {0.0, -0.7}) {
        const at::Tensor alpha = f->module()->parameters()[0];
        alpha.detach().fill_(learned);
        const at::Tensor x = wide.to(device).requires_grad_();
        const at::Tensor y = (*f)(x * 1);
        const auto gradients = torch::autograd::grad({(y * y).sum()}, {x, alpha});
        for (const at::Tensor& result : {y.detach(), gradients[0], gradients[1]}) {
          results[device.is_cpu() ? 0 : 1].push_back(result.cpu());
        }
      }
    }
    for (size_t i = 0; i < results[0].size(); ++i) {
      EXPECT_LT(Error(results[1][i], results[0][i]), 3e-5) << form << " " << i;
    }
  }
}

// Five steps, whose gradients are `scale` times as large; what the last saw.
std::pair<at::Tensor, pipeline::Optimizer::Taken> Trained(const at::Device& device,
                                                          const pipeline::Train& options,
                                                          double scale, bool bad) {
  pipeline::SeedGenerators(5);
  const at::Tensor p = at::randn({700}).to(device).requires_grad_();
  pipeline::Optimizer optimizer(options, {p});
  pipeline::Optimizer::Taken taken;
  for (int i = 0; i < 5; ++i) {
    p.mutable_grad() = (at::randn({700}) * scale).to(device);
    if (bad && i == 3) p.mutable_grad()[7] = NAN;
    taken = optimizer.StepIfFinite(0.01, at::full({}, 0.25).to(device), scale);
    EXPECT_EQ(taken.finite(), !bad || i != 3);
  }
  return {p.detach().cpu(), taken};
}

TEST_F(OnGpu, OptimizersStepAsOnTheProcessor) {
  for (const auto optimizer :
       {pipeline::Train::ADAM, pipeline::Train::ADAMW, pipeline::Train::SGD}) {
    for (const double clip : {0.0, 1.0}) {
      for (const double scale : {1.0, 65536.0}) {
        for (const bool bad : {false, true}) {
          pipeline::Train options;
          options.set_optimizer(optimizer);
          options.set_clip_norm(clip);
          options.set_weight_decay(0.01);
          const auto [here, taken] = Trained(at::kCPU, options, scale, bad);
          const auto [there, taken_there] = Trained(gpu_, options, scale, bad);
          EXPECT_LT(Error(there, here), 1e-6) << optimizer << clip << scale << bad;
          EXPECT_NEAR(taken_there.gradient_norm, taken.gradient_norm, 1e-5 * taken.gradient_norm);
          EXPECT_EQ(taken_there.loss, 0.25);
        }
      }
    }
  }
}

TEST_F(OnGpu, MetricsCountAsOnTheProcessor) {
  const pipeline::Specs in = {{"logits", {at::kFloat, {-1, 3, 20, 20}, 1}},
                              {"labels", {at::kLong, {-1, 20, 20}, 1}}};
  pipeline::SeedGenerators(6);
  const at::Tensor logits = at::randn({2, 3, 20, 20});
  at::Tensor labels = at::randint(3, {2, 20, 20}, at::kLong);
  labels.masked_fill_(at::rand({2, 20, 20}) < 0.1, pipeline::kIgnoredLabel);
  std::vector<pipeline::Report> reports;
  for (const char* device : {"cpu", "cuda:0"}) {
    pipeline::DataInfo data;
    pipeline::BuildContext context;
    context.data = &data;
    context.device = device;
    auto stage = *pipeline::Stages::Get().Create(PluginOf("plugins/Metrics", ""));
    ASSERT_TRUE(stage->Build(in, &context).ok());
    testing_support::RunOnce(*stage, {{"logits", logits.to(at::Device(device))},
                                      {"labels", labels.to(at::Device(device))}});
    reports.emplace_back();
    stage->EndPhase(Step(), "metrics", &reports.back());
  }
  EXPECT_EQ(reports[0].matrices(), reports[1].matrices());
}

TEST_F(OnGpu, PixelsEqualTheProcessors) {
  pipeline::SeedGenerators(7);
  const at::Tensor images = at::randint(256, {3, 3, 40, 50}, at::kByte);
  EXPECT_TRUE(plugins::Gray(images.to(gpu_)).cpu().equal(plugins::Gray(images)));
  at::Tensor motion = at::rand({3, plugins::kMotion}) * 0.2;
  motion.select(1, 0).add_(0.8);
  motion.select(1, 4).add_(0.8);
  motion.slice(1, 6).add_(0.9);
  const at::Tensor moved = plugins::Moved(images.to(gpu_), motion).cpu();
  const at::Tensor differs = (moved != plugins::Moved(images, motion)).to(at::kDouble);
  EXPECT_LT(differs.mean().item<double>(), 2e-3);
}

// Batches that were begun ahead, taken in turn, and one that was not.
TEST_F(OnGpu, UploadsGiveWhatBatchesHold) {
  constexpr int64_t kBatches = 20, kRows = 8, kSide = 64;
  const auto batch_of = [](int64_t index) {
    plugins::Batch batch;
    for (int64_t row = 0; row < kRows; ++row) batch.AddSample(row);
    batch.Allocate({3, kSide, /*masks=*/true, /*pinned=*/true, /*bytes=*/true});
    batch.images().copy_(at::full_like(batch.images(), index));
    batch.labels().copy_(at::full_like(batch.labels(), index + 100));
    return batch;
  };
  plugins::Uploads uploads(gpu_);
  ASSERT_TRUE(uploads.Ahead());
  std::vector<at::Tensor> kept;
  for (int64_t index = 0; index < kBatches; ++index) {
    const plugins::Uploads::There there = uploads.Take(index, batch_of(index));
    kept.push_back(there.images.to(at::kLong).sum() + there.labels.to(at::kLong).sum());
    if (index % 5 != 3) uploads.Begin(index + 1, batch_of(index + 1));
  }
  for (int64_t index = 0; index < kBatches; ++index) {
    EXPECT_EQ(kept[index].item<int64_t>(), kRows * kSide * kSide * (3 * index + index + 100));
  }
}

}  // namespace
