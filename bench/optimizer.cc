// One update of all parameters of VGG16 with its FC4096 head, ours in one pass over memory, against
// LibTorch's.
#include "pipeline/training/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include "bench/measure.h"

namespace {

// Weights and biases by shape.
std::vector<std::vector<int64_t>> Vgg16Shapes() {
  std::vector<std::vector<int64_t>> shapes;
  int64_t in = 1;
  for (const int64_t out : {64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512}) {
    shapes.push_back({out, in, 3, 3});
    shapes.push_back({out});
    in = out;
  }
  for (const auto& [from, to] :
       {std::pair<int64_t, int64_t>{25088, 4096}, {4096, 4096}, {4096, 4}}) {
    shapes.push_back({to, from});
    shapes.push_back({to});
  }
  return shapes;
}

std::vector<at::Tensor> MakeParameters() {
  std::vector<at::Tensor> parameters;
  for (const auto& shape : Vgg16Shapes()) {
    parameters.push_back(at::randn(shape).mul_(0.01).requires_grad_());
    parameters.back().mutable_grad() = at::randn(shape).mul_(0.001);
  }
  return parameters;
}

bench::Case Compare(const std::string& name, pipeline::Train::Optimizer kind) {
  constexpr double kRate = 1e-4, kSeconds = 5;
  pipeline::Train options;
  options.set_optimizer(kind);
  pipeline::Optimizer ours(options, MakeParameters());
  const std::vector<at::Tensor> parameters = MakeParameters();
  std::unique_ptr<torch::optim::Optimizer> theirs;
  if (kind == pipeline::Train::ADAM) {
    theirs = std::make_unique<torch::optim::Adam>(parameters, torch::optim::AdamOptions(kRate));
  } else {
    theirs = std::make_unique<torch::optim::SGD>(
        parameters, torch::optim::SGDOptions(kRate).momentum(0.9).nesterov(true));
  }
  const std::vector<double> ms =
      bench::LeastMs({[&] { ours.Step(kRate, 0); }, [&] { theirs->step(); }}, kSeconds);
  return {name, ms[0], ms[1]};
}

// What a step costs to know that its gradient is finite.
bench::Case CompareNorms() {
  constexpr double kSeconds = 5;
  const std::vector<at::Tensor> parameters = MakeParameters();
  const pipeline::Optimizer ours(pipeline::Train(), parameters);
  double sum = 0;
  const auto theirs = [&] {
    std::vector<at::Tensor> norms;
    for (const at::Tensor& parameter : parameters) norms.push_back(parameter.grad().norm());
    sum += at::stack(norms).norm().item<double>();
  };
  const std::vector<double> ms =
      bench::LeastMs({[&] { sum += ours.GradientNorm(); }, theirs}, kSeconds);
  return {"norm of the gradient", ms[0], ms[1]};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(
      &argc, &argv,
      "One optimizer step over VGG16 FC4096 (134 million parameters), against LibTorch's.");
  bench::Print({Compare("Adam", pipeline::Train::ADAM),
                Compare("SGD, Nesterov", pipeline::Train::SGD), CompareNorms()});
}
