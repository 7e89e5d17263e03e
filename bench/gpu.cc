// What has kernels of its own on a GPU, against LibTorch's there: losses, activations, optimizer,
// pixels.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gflags/gflags.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>

#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "activations/activation.h"
#include "bench/measure.h"
#include "losses/fusion.h"
#include "pipeline/config/text.h"
#include "pipeline/training/device.h"
#include "pipeline/training/optimizer.h"
#include "plugins/pixels/pixels.h"

DEFINE_double(seconds, 0.3, "time for each table");
DEFINE_string(device, "cuda:0", "cuda:n; cpu, to try the program");

namespace {

using Body = std::function<void()>;

at::Device Where() { return at::Device(FLAGS_device); }

google::protobuf::Any Plugin(const std::string& text) {
  pipeline::Node node;
  const absl::Status parsed = pipeline::ParseFields(absl::StrCat("plugin { [", text, " }"), &node);
  TORCH_CHECK(parsed.ok(), parsed.ToString());
  return node.plugin();
}

// Milliseconds of a call, of many in a row that are waited for together.
std::vector<double> Milliseconds(const std::vector<Body>& bodies) {
  constexpr int kCalls = 20;
  std::vector<Body> rows;
  for (const Body& body : bodies) {
    rows.push_back([body] {
      for (int i = 0; i < kCalls; ++i) body();
      if (Where().is_cuda()) torch::cuda::synchronize();
    });
  }
  std::vector<double> ms = bench::LeastMs(rows, FLAGS_seconds);
  for (double& each : ms) each /= kCalls;
  return ms;
}

void Activations(std::vector<bench::Case>* cases) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = (at::randn({8, 64, 112, 112}) * 3).to(Where(), type).requires_grad_();
    const at::Tensor g = at::ones_like(x);
    std::vector<Body> bodies = {[&] { torch::autograd::grad({at::gelu(x)}, {x}, {g}); }};
    std::vector<std::string> names;
    for (const char* name : {"MittagLeffler] {}", "MittagLeffler] { form: TANH }", "Lerch] {}",
                             "Lerch] { form: BOUNDED }", "Jacobi] {}", "Jacobi] { form: SNAKE }",
                             "Jacobi] { form: POLYNOMIAL }", "Weierstrass] {}",
                             "Weierstrass] { form: TANH_RIPPLE }"}) {
      std::shared_ptr<activations::Activation> f =
          *activations::Activations::Get().Create(Plugin(absl::StrCat("activations/", name)));
      names.push_back(absl::StrCat(type == at::kFloat ? "float32 [" : "bfloat16 [", name));
      bodies.push_back([&x, &g, f] { torch::autograd::grad({(*f)(x)}, {x}, {g}); });
    }
    const std::vector<double> ms = Milliseconds(bodies);
    for (size_t i = 0; i < names.size(); ++i) {
      cases->push_back({names[i] + " / gelu", ms[i + 1], ms[0]});
    }
  }
}

void Losses(std::vector<bench::Case>* cases) {
  const std::vector<std::vector<const char*>> fusions = {
      {"CategoricalCrossEntropy"},
      {"SmoothL1", "CategoricalCrossEntropy"},
      {"CategoricalCrossEntropy", "BinaryCrossEntropy", "Focal", "SmoothL1", "Mse"},
      {"CategoricalCrossEntropy", "BinaryCrossEntropy", "Dice", "Focal", "SmoothL1", "Mse",
       "Tversky"}};
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{256, 4}, {256, 7}, {8, 7, 224, 224}, {8, 7, 512, 512}}) {
    std::vector<int64_t> label_shape = shape;
    label_shape.erase(label_shape.begin() + 1);
    const at::Tensor logits = at::randn(shape).to(Where()).requires_grad_();
    const at::Tensor labels = at::randint(shape[1], label_shape, at::kLong).to(Where());
    std::vector<std::unique_ptr<losses::Loss>> owned;
    std::vector<Body> bodies = {
        [&] { torch::autograd::grad({at::cross_entropy_loss(logits, labels)}, {logits}); }};
    for (const bool fused : {true, false}) {
      for (const auto& names : fusions) {
        if (!fused && &names != &fusions.back()) continue;
        std::vector<losses::Term> terms;
        for (const char* name : names) {
          owned.push_back(
              *losses::Losses::Get().Create(Plugin(absl::StrCat("losses/", name, "] {}"))));
          terms.push_back({owned.back().get(), 1});
        }
        bodies.push_back([&logits, &labels, terms, fused] {
          at::Tensor weight;
          const auto weighed = losses::WeighLabels(labels, logits.size(1), {}, &weight);
          TORCH_CHECK(weighed.ok(), weighed.ToString());
          const auto value =
              losses::Fuse(pipeline::Step(), logits, labels, weight, terms, /*use_blocks=*/fused);
          torch::autograd::grad({value.total}, {logits});
        });
      }
    }
    const std::vector<double> ms = Milliseconds(bodies);
    std::string name = "[";
    for (const int64_t size : shape) absl::StrAppend(&name, name == "[" ? "" : ",", size);
    for (size_t i = 0; i < fusions.size(); ++i) {
      cases->push_back({absl::StrFormat("%s] %d terms / cross_entropy", name, fusions[i].size()),
                        ms[i + 1], ms[0]});
    }
    cases->push_back({name + "] 7 terms / sum by operators", ms[4], ms[5]});
  }
}

std::vector<at::Tensor> Vgg16() {
  std::vector<at::Tensor> parameters;
  const auto add = [&](const std::vector<int64_t>& shape) {
    parameters.push_back(at::full(shape, 0.01).to(Where()).requires_grad_());
    parameters.back().mutable_grad() = at::full(shape, 0.001).to(Where());
  };
  int64_t in = 1;
  for (const int64_t out : {64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512}) {
    add({out, in, 3, 3});
    add({out});
    in = out;
  }
  add({4096, 25088});
  add({4096, 4096});
  add({4, 4096});
  return parameters;
}

void Optimizers(std::vector<bench::Case>* cases) {
  std::vector<Body> bodies;
  const at::Tensor loss = at::full({}, 1.0).to(Where());
  std::vector<at::Tensor> all = Vgg16();
  pipeline::Train plain, clipped;
  clipped.set_clip_norm(1);
  pipeline::Optimizer without(plain, all), with(clipped, all);
  const std::vector<double> ms = Milliseconds({[&] {
                                                 for (const at::Tensor& each : all)
                                                   each.grad().clone();
                                               },
                                               [&] { without.StepIfFinite(1e-6, loss); },
                                               [&] { with.StepIfFinite(1e-6, loss); }});
  cases->push_back({"Adam over VGG16 FC4096 / copy of the gradients", ms[1], ms[0]});
  cases->push_back({"the same with clip_norm / copy of the gradients", ms[2], ms[0]});
}

void Pixels(std::vector<bench::Case>* cases) {
  const at::Tensor images = at::randint(256, {256, 1, 224, 224}, at::kByte).to(Where());
  at::Tensor motion = at::full({256, plugins::kMotion}, 0.02);
  motion.select(1, 0).add_(0.9);
  motion.select(1, 4).add_(0.9);
  motion.slice(1, 6).add_(1);
  const at::Tensor factor = at::full({1}, 1 / 255.0, at::kFloat).to(Where());
  const std::vector<double> ms =
      Milliseconds({[&] { images.clone(); }, [&] { plugins::Moved(images, motion); },
                    [&] { plugins::Scaled(images, factor, factor); }});
  cases->push_back({"moved [256,1,224,224] / copy of the bytes", ms[1], ms[0]});
  cases->push_back({"scaled [256,1,224,224] / copy of the bytes", ms[2], ms[0]});
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv, "Kernels of our own on a GPU, forward and backward.");
  if (Where().is_cuda()) {
    pipeline::ConfigureGpu(FLAGS_device, pipeline::Train::FP32, /*deterministic=*/false);
  }
  for (const auto measure : {Activations, Losses, Optimizers, Pixels}) {
    std::vector<bench::Case> cases;
    measure(&cases);
    bench::Print(cases);
    std::fflush(stdout);
  }
}
