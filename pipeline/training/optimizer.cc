// Optimizers over lists of tensors, and schedules.
#include "pipeline/training/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/version.h>
#if TORCH_VERSION_MAJOR >= 2
#include <ATen/ops/_fused_adamw.h>
#endif

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "pipeline/count.h"
#include "pipeline/training/optimizer_kernels.h"

namespace pipeline {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8, kMomentum = 0.9;
constexpr double kNormFloor = 1e-6;  // added to the norm that clipping divides by, as in PyTorch
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
bool IsPlain(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
         tensor.is_non_overlapping_and_dense();
}

// The sum of squares of a plain tensor, in parts of a fixed size and in order, whatever the
// threads.
double SquaresOf(const at::Tensor& tensor) {
  const int64_t count = tensor.numel(), parts = (count + kGrain - 1) / kGrain;
  std::vector<double> sums(parts);
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t from = part * kGrain;
      sums[part] = SumOfSquares(std::min(kGrain, count - from), Data(tensor) + from);
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// The 2-norm over all of them, as a float64 scalar where they are.
at::Tensor NormOf(const std::vector<at::Tensor>& tensors) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 5)
  if (tensors[0].is_cuda()) return at::stack(at::_foreach_norm(tensors, 2, at::kDouble)).norm();
#endif
  std::vector<at::Tensor> norms;
  for (const at::Tensor& tensor : tensors) norms.push_back(tensor.norm(2, at::kDouble));
  return at::stack(norms).norm();
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
  const c10::NoGradGuard no_gradients;
  double squares = 0;
  std::vector<at::Tensor> elsewhere;  // not waited for one by one
  for (const at::Tensor& parameter : parameters_) {
    const at::Tensor& gradient = parameter.grad();
    if (!gradient.defined()) continue;
    if (IsPlain(gradient)) {
      squares += SquaresOf(gradient);
    } else {
      elsewhere.push_back(gradient);
    }
  }
  if (!elsewhere.empty()) squares += std::pow(NormOf(elsewhere).item<double>(), 2);
  return std::sqrt(squares);
}

at::Tensor Optimizer::NormOnGpu() const {
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : parameters_) {
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  if (!gradients.empty()) return NormOf(gradients);
  return at::zeros({}, parameters_[0].options().dtype(at::kDouble).requires_grad(false));
}

Optimizer::Taken Optimizer::StepIfFinite(double learning_rate, const at::Tensor& loss,
                                         double scale) {
  const c10::NoGradGuard no_gradients;
  if (!Fuses()) {
    const Taken taken = {loss.item<double>(), GradientNorm() / scale};
    if (taken.finite()) Step(learning_rate, taken.gradient_norm, scale);
    return taken;
  }
  const at::Tensor norm = NormOnGpu() / scale;
  const at::Tensor seen = at::stack({loss.detach().to(norm.options()), norm});
  const at::Tensor skip = seen.isfinite().all().logical_not().to(at::kFloat);
  const double clip = options_.clip_norm();
  at::Tensor divisor = at::full_like(skip, scale);
  if (clip > 0) divisor.mul_(((norm + kNormFloor) / clip).clamp_min(1));
  StepFused(learning_rate, divisor, skip);
  const at::Tensor read = seen.cpu();
  const Taken taken = {read[0].item<double>(), read[1].item<double>()};
  for (size_t i = 0; i < steps_.size() && !taken.finite(); ++i) {
    if (parameters_[i].grad().defined()) --steps_[i];
  }
  return taken;
}

void Optimizer::Step(double learning_rate, double gradient_norm) {
  Step(learning_rate, gradient_norm, 1);
}

void Optimizer::Step(double learning_rate, double gradient_norm, double scale) {
  const c10::NoGradGuard no_gradients;
  TORCH_CHECK(std::isfinite(gradient_norm), "the gradient is ",
              std::isnan(gradient_norm) ? "NaN" : "infinite");
  const double clip = options_.clip_norm();
  const double factor = (clip > 0 ? std::min(1.0, clip / (gradient_norm + kNormFloor)) : 1) / scale;
  if (!Fuses()) return StepEach(learning_rate, factor);
  const at::TensorOptions number = parameters_[0].options().requires_grad(false);
  StepFused(learning_rate, at::full({}, 1 / factor, number), at::zeros({}, number));
}

bool Optimizer::Fuses() const {
  const bool adam = options_.optimizer() != Train::SGD;
  return adam && !parameters_.empty() &&
         std::all_of(parameters_.begin(), parameters_.end(),
                     [](const at::Tensor& parameter) { return parameter.is_cuda(); });
}

bool Optimizer::Begin(size_t i) {
  const at::Tensor& parameter = parameters_[i];
  if (!parameter.grad().defined()) return false;
  if (steps_[i]++ > 0) return true;
  first_[i] = at::zeros_like(parameter);
  if (options_.optimizer() != Train::SGD) second_[i] = at::zeros_like(parameter);
  return true;
}

// Adam and AdamW on a GPU: one kernel for all parameters, LibTorch's.
void Optimizer::StepFused(double learning_rate, const at::Tensor& divisor, const at::Tensor& skip) {
  std::vector<at::Tensor> p, g, m, v, steps;
  std::map<int64_t, at::Tensor> counts;  // the kernel wants them on the GPU; nearly always one
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!Begin(i)) continue;
    p.push_back(parameters_[i]);
    g.push_back(GradientOf(parameters_[i]));
    m.push_back(first_[i]);
    v.push_back(second_[i]);
    at::Tensor& count = counts[steps_[i]];
    if (!count.defined()) count = at::full_like(divisor, static_cast<double>(steps_[i]));
    steps.push_back(count);
  }
  if (p.empty()) return;
  const bool decoupled = options_.optimizer() == Train::ADAMW;
  const double decay = options_.weight_decay();
#if TORCH_VERSION_MAJOR >= 2
  const auto fused = [&](const auto& kernel) {
    kernel(p, g, m, v, at::TensorList(), steps, learning_rate, kBeta1, kBeta2, decay, kEpsilon,
           /*amsgrad=*/false, /*maximize=*/false, divisor, skip);
  };
  decoupled ? fused([](auto&&... x) { at::_fused_adamw_(x...); })
            : fused([](auto&&... x) { at::_fused_adam_(x...); });
#else
  // LibTorch 1.13 has no fused AdamW, which is this and Adam without a penalty.
  if (decoupled && decay > 0 && skip.item<float>() == 0) {
    at::_foreach_mul_(p, 1 - learning_rate * decay);
  }
  at::_fused_adam_(p, g, m, v, {}, steps, learning_rate, kBeta1, kBeta2, decoupled ? 0 : decay,
                   kEpsilon, /*amsgrad=*/false, /*maximize=*/false, divisor, skip);
#endif
}

void Optimizer::StepEach(double learning_rate, double factor) {
  const bool sgd = options_.optimizer() == Train::SGD;
  const bool decoupled = options_.optimizer() == Train::ADAMW;
  const double decay = options_.weight_decay();
  UpdateRule rule = {};
  rule.gradient_factor = static_cast<float>(factor);
  rule.penalty = decoupled ? 0 : static_cast<float>(decay);
  rule.shrink = decoupled ? static_cast<float>(1 - learning_rate * decay) : 1;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& p = parameters_[i];
    if (!Begin(i)) continue;
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
  state->Put("optimizer.moments", {options_.optimizer() == Train::SGD ? 1.0 : 2.0});
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
  const auto moments = state.Numbers("optimizer.moments", 1);
  if (!moments.ok()) return moments.status();
  for (const double count : *steps) {
    if (!IsCount(count)) return absl::DataLossError("optimizer.steps holds what is no count");
  }
  steps_.assign(steps->begin(), steps->end());
  const double own = options_.optimizer() == Train::SGD ? 1 : 2;
  if ((*moments)[0] != own) steps_.assign(steps->size(), 0);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (steps_[i] == 0) continue;
    first_[i] = at::zeros_like(parameters_[i]);
    absl::Status status = state.CopyTo(absl::StrCat("optimizer.first.", i), first_[i]);
    if (status.ok() && options_.optimizer() != Train::SGD) {
      second_[i] = at::zeros_like(parameters_[i]);
      status = state.CopyTo(absl::StrCat("optimizer.second.", i), second_[i]);
      // Means of squares.
      if (status.ok() && (second_[i] < 0).any().item<bool>()) {
        status = absl::DataLossError(absl::StrCat("optimizer.second.", i, " is below 0"));
      }
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
  const double length = options.epochs() - warmup;  // what is left after the warm-up, if anything
  const double progress = length > 0 ? std::clamp((at - warmup) / length, 0.0, 1.0) : 0;
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
