// Optimizers over lists of tensors, and schedules.
#include "pipeline/training/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "pipeline/training/optimizer_kernels.h"

namespace pipeline {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8, kMomentum = 0.9;
constexpr int kPlateauEpochs = 3;
constexpr double kPlateauFactor = 0.5;
constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

// The gradient laid out in memory as the parameter is.
at::Tensor GradientOf(const at::Tensor& parameter) {
  const at::Tensor& gradient = parameter.grad();
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

float* Data(const at::Tensor& tensor) { return tensor.data_ptr<float>(); }

// Whether the raw loops apply: dense memory of floats on the CPU.
bool IsPlain(const at::Tensor& parameter) {
  return parameter.device().is_cpu() && parameter.scalar_type() == at::kFloat &&
         parameter.is_non_overlapping_and_dense();
}

void AdamByTensors(const UpdateRule& rule, const at::Tensor& g, const at::Tensor& p,
                   const at::Tensor& m, const at::Tensor& v) {
  const at::Tensor gradient = g * rule.gradient_factor + p * rule.penalty;
  m.mul_(kBeta1).add_(gradient, 1 - kBeta1);
  v.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
  p.mul_(rule.shrink).addcdiv_(m, (v.sqrt() * rule.second_scale).add_(kEpsilon), -rule.rate);
}

void SgdByTensors(const UpdateRule& rule, bool first, const at::Tensor& g, const at::Tensor& p,
                  const at::Tensor& m) {
  const at::Tensor gradient = g * rule.gradient_factor + p * rule.penalty;
  m.mul_(first ? 0 : kMomentum).add_(gradient);
  p.add_(gradient + m * kMomentum, -rule.rate);
}

}  // namespace

Optimizer::Optimizer(const Train& options, std::vector<at::Tensor> parameters)
    : options_(options),
      parameters_(std::move(parameters)),
      first_(parameters_.size()),
      second_(parameters_.size()),
      steps_(parameters_.size()) {}

void Optimizer::ZeroGradients() {
  for (const at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
}

double Optimizer::GradientNorm() const {
  double squares = 0;
  for (const at::Tensor& parameter : parameters_) {
    if (!parameter.grad().defined()) continue;
    const at::Tensor gradient = GradientOf(parameter);
    squares += IsPlain(parameter) ? SumOfSquares(gradient.numel(), Data(gradient))
                                  : gradient.norm().square().item<double>();
  }
  return std::sqrt(squares);
}

void Optimizer::Step(double learning_rate, double norm) {
  const c10::NoGradGuard no_gradients;
  const bool sgd = options_.optimizer() == Train::SGD;
  const bool decoupled = options_.optimizer() == Train::ADAMW;
  const double decay = options_.weight_decay();
  UpdateRule rule = {};
  const double clip = options_.clip_norm();
  rule.gradient_factor = static_cast<float>(clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1);
  rule.penalty = decoupled ? 0 : static_cast<float>(decay);
  rule.shrink = decoupled ? static_cast<float>(1 - learning_rate * decay) : 1;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& p = parameters_[i];
    if (!p.grad().defined()) continue;
    if (steps_[i]++ == 0) {
      first_[i] = at::zeros_like(p);
      if (!sgd) second_[i] = at::zeros_like(p);
    }
    const auto step = static_cast<double>(steps_[i]);
    rule.rate =
        static_cast<float>(sgd ? learning_rate : learning_rate / (1 - std::pow(kBeta1, step)));
    rule.second_scale = static_cast<float>(1 / std::sqrt(1 - std::pow(kBeta2, step)));
    const bool first = steps_[i] == 1;
    const at::Tensor g = GradientOf(p);
    const at::Tensor &m = first_[i], &v = second_[i];
    if (!IsPlain(p)) {
      sgd ? SgdByTensors(rule, first, g, p, m) : AdamByTensors(rule, g, p, m, v);
      continue;
    }
    at::parallel_for(0, p.numel(), kGrain, [&](int64_t begin, int64_t end) {
      const int64_t n = end - begin;
      if (sgd) {
        UpdateSgd(rule, first, n, Data(g) + begin, Data(p) + begin, Data(m) + begin);
      } else {
        UpdateAdam(rule, n, Data(g) + begin, Data(p) + begin, Data(m) + begin, Data(v) + begin);
      }
    });
  }
}

void Optimizer::Save(State* state) const {
  state->Put("optimizer.steps", std::vector<double>(steps_.begin(), steps_.end()));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (steps_[i] == 0) continue;
    state->Put(absl::StrCat("optimizer.first.", i), first_[i]);
    if (second_[i].defined()) state->Put(absl::StrCat("optimizer.second.", i), second_[i]);
  }
}

absl::Status Optimizer::Load(const State& state) {
  const auto steps = state.Numbers("optimizer.steps", parameters_.size());
  if (!steps.ok()) return steps.status();
  steps_.assign(steps->begin(), steps->end());
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (steps_[i] == 0) continue;
    first_[i] = at::zeros_like(parameters_[i]);
    absl::Status status = state.CopyTo(absl::StrCat("optimizer.first.", i), first_[i]);
    if (status.ok() && options_.optimizer() != Train::SGD) {
      second_[i] = at::zeros_like(parameters_[i]);
      status = state.CopyTo(absl::StrCat("optimizer.second.", i), second_[i]);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
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
