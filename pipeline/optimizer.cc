// LibTorch's optimizers behind the closed set of `train`.
#include "pipeline/optimizer.h"

#include <torch/types.h>
// clip_grad.h needs the types above it.
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <cmath>

namespace pipeline {
namespace {

constexpr double kMomentum = 0.9;
constexpr int kPlateauEpochs = 3;
constexpr double kPlateauFactor = 0.5;

std::unique_ptr<torch::optim::Optimizer> Make(const Train& options,
                                              const std::vector<at::Tensor>& parameters) {
  const double rate = options.learning_rate();
  const double decay = options.weight_decay();
  switch (options.optimizer()) {
    case Train::ADAM:
      return std::make_unique<torch::optim::Adam>(
          parameters, torch::optim::AdamOptions(rate).weight_decay(decay));
    case Train::ADAMW:
      return std::make_unique<torch::optim::AdamW>(
          parameters, torch::optim::AdamWOptions(rate).weight_decay(decay));
    case Train::SGD:
      return std::make_unique<torch::optim::SGD>(
          parameters,
          torch::optim::SGDOptions(rate).momentum(kMomentum).nesterov(true).weight_decay(decay));
  }
  return nullptr;
}

}  // namespace

Optimizer::Optimizer(const Train& options, std::vector<at::Tensor> parameters)
    : options_(options),
      parameters_(std::move(parameters)),
      optimizer_(Make(options, parameters_)) {}

Optimizer::~Optimizer() = default;

void Optimizer::ZeroGradients() {
  for (const at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
}

void Optimizer::Step(double learning_rate) {
  if (options_.clip_norm() > 0) {
    torch::nn::utils::clip_grad_norm_(parameters_, options_.clip_norm());
  }
  for (auto& group : optimizer_->param_groups()) group.options().set_lr(learning_rate);
  optimizer_->step();
}

double LearningRate(const Train& options, int64_t epoch, int64_t step, int64_t steps) {
  const double at = static_cast<double>(epoch) + static_cast<double>(step) / steps;
  const double warmup = options.warmup_epochs();
  double factor = 1;
  if (warmup > 0) factor = std::min(1.0, (at + 1.0 / steps) / warmup);
  const double length = std::max(1.0, options.epochs() - warmup);
  const double progress = std::clamp((at - warmup) / length, 0.0, 1.0);
  if (options.schedule() == Train::COSINE) factor *= 0.5 * (1 + std::cos(M_PI * progress));
  if (options.schedule() == Train::STEP) {
    const double done = static_cast<double>(epoch) / options.epochs();
    factor *= done >= 0.75 ? 0.01 : done >= 0.5 ? 0.1 : 1;
  }
  return options.learning_rate() * factor;
}

double PlateauFactor(const std::vector<double>& monitors) {
  double factor = 1, best = -std::numeric_limits<double>::infinity();
  int waited = 0;
  for (const double monitor : monitors) {
    waited = monitor > best ? 0 : waited + 1;
    best = std::max(best, monitor);
    if (waited < kPlateauEpochs) continue;
    factor *= kPlateauFactor;
    waited = 0;
  }
  return factor;
}

}  // namespace pipeline
