// Four ways to weigh terms anew.
#include "losses/dynamic_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace losses {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

std::vector<double> ToVector(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

at::Tensor Doubles(int64_t count, double value) { return at::full({count}, value, at::kDouble); }

// K softmax(x).
std::vector<double> Shares(std::vector<double> x) {
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - top);
  for (double& value : x) value *= static_cast<double>(x.size()) / sum;
  return x;
}

// A number in (0, 1), from the upper 53 bits.
double Uniform(uint64_t hash) {
  return (static_cast<double>(hash >> 11) + 0.5) / 9007199254740992.0;
}

class Uncertainty : public DynamicWeights {
 public:
  explicit Uncertainty(int64_t terms)
      : log_variance_(module_->register_parameter("log_variance", at::zeros({terms}))) {}

  std::vector<double> Factors(const pipeline::Step&) override {
    return ToVector((-log_variance_).exp());
  }

  // exp(-s_k) L_k is in the total already, as a function of the logits; as one of s_k it is added
  // here, less its value.
  at::Tensor Extra(const at::Tensor& values) override {
    const at::Tensor fixed = values.to(log_variance_.options().requires_grad(false));
    const at::Tensor scaled = ((-log_variance_).exp() * fixed).sum();
    return scaled - scaled.detach() + log_variance_.sum() / 2;
  }

  torch::nn::Module* module() override { return module_.get(); }

 private:
  const std::shared_ptr<torch::nn::Module> module_ = std::make_shared<torch::nn::Module>();
  at::Tensor log_variance_;
};

// Only the sums of the epoch under way go to the GPU: what factors are made from stays in memory.
struct DwaState : torch::nn::Module {
  explicit DwaState(int64_t terms)
      : sums(register_buffer("epoch_sums", Doubles(terms, 0))),
        last(register_buffer("last_means", Doubles(terms, 0))),
        before(register_buffer("means_before", Doubles(terms, 0))),
        counts(register_buffer("counts", at::zeros({2}, at::kLong))) {}

  void to(torch::Device device, bool) override { sums.set_data(sums.to(device)); }

  at::Tensor sums, last, before;
  at::Tensor counts;  // the epoch, and its steps so far
};

class Dwa : public DynamicWeights {
 public:
  Dwa(int64_t terms, double temperature)
      : state_(std::make_shared<DwaState>(terms)), temperature_(temperature) {}

  std::vector<double> Factors(const pipeline::Step& step) override {
    if (step.phase == pipeline::TRAIN) Roll(step.epoch);
    std::vector<double> last = ToVector(state_->last), before = ToVector(state_->before);
    std::vector<double> ratios(last.size(), 1);
    for (size_t k = 0; k < last.size(); ++k) {
      if (before[k] > 0) ratios[k] = std::min(last[k] / before[k], kLargest);
      ratios[k] /= temperature_;
    }
    return Shares(ratios);
  }

  void Observe(const pipeline::Step&, const at::Tensor& values, const at::Tensor&) override {
    const c10::NoGradGuard no_gradients;
    state_->sums.add_(values);
    state_->counts[1] += 1;
  }

  torch::nn::Module* module() override { return state_.get(); }

 private:
  // At the first step of an epoch, the means of the one that ended become the last.
  void Roll(int64_t epoch) {
    const auto steps = state_->counts[1].item<int64_t>();
    if (state_->counts[0].item<int64_t>() == epoch || steps == 0) return;
    const c10::NoGradGuard no_gradients;
    state_->before.copy_(state_->last);
    state_->last.copy_(state_->sums / static_cast<double>(steps));
    state_->sums.zero_();
    state_->counts[0] = epoch;
    state_->counts[1] = 0;
  }

  const std::shared_ptr<DwaState> state_;
  const double temperature_;
};

class GradNorm : public DynamicWeights {
 public:
  GradNorm(int64_t terms, double alpha, double rate)
      : alpha_(alpha),
        rate_(rate),
        factors_(module_->register_buffer("factors", Doubles(terms, 1))),
        first_(module_->register_buffer("first_values", Doubles(terms, 0))) {}

  std::vector<double> Factors(const pipeline::Step&) override { return ToVector(factors_); }
  bool wants_norms() const override { return true; }

  void Observe(const pipeline::Step&, const at::Tensor& seen,
               const at::Tensor& seen_norms) override {
    const std::vector<double> values = ToVector(seen), norms = ToVector(seen_norms);
    std::vector<double> factors = ToVector(factors_), first = ToVector(first_);
    const auto count = static_cast<double>(factors.size());
    if (first[0] == 0) first = values;
    double mean_norm = 0, mean_ratio = 0;
    for (size_t k = 0; k < factors.size(); ++k) {
      // A term that is solved, or that no logit moves, says nothing about balance; nor does one
      // whose gradient overflowed.
      if (!(values[k] > 0) || !(first[k] > 0) || !(norms[k] > 0) || std::isinf(norms[k])) return;
      mean_norm += factors[k] * norms[k] / count;
      mean_ratio += values[k] / first[k] / count;
    }
    double sum = 0;
    for (size_t k = 0; k < factors.size(); ++k) {
      const double wanted = mean_norm * std::pow(values[k] / first[k] / mean_ratio, alpha_);
      factors[k] *= std::exp(rate_ * std::log(wanted / (factors[k] * norms[k])));
      sum += factors[k];
    }
    for (double& factor : factors) factor *= count / sum;
    const c10::NoGradGuard no_gradients;
    factors_.copy_(at::tensor(factors, at::kDouble));
    first_.copy_(at::tensor(first, at::kDouble));
  }

  torch::nn::Module* module() override { return module_.get(); }

 private:
  const std::shared_ptr<torch::nn::Module> module_ = std::make_shared<torch::nn::Module>();
  const double alpha_, rate_;
  at::Tensor factors_, first_;
};

class Random : public DynamicWeights {
 public:
  explicit Random(int64_t terms) : terms_(terms) {}

  std::vector<double> Factors(const pipeline::Step& step) override {
    if (step.phase != pipeline::TRAIN) return std::vector<double>(terms_, 1);
    std::vector<double> normals;
    for (int64_t k = 0; k < terms_; ++k) {
      const auto draw = [&](uint64_t which) {
        return Uniform(
            pipeline::Hash({step.seed, static_cast<uint64_t>(step.epoch),
                            static_cast<uint64_t>(step.index), static_cast<uint64_t>(k), which}));
      };
      // Box and Muller.
      normals.push_back(std::sqrt(-2 * std::log(draw(0))) * std::cos(2 * M_PI * draw(1)));
    }
    return Shares(normals);
  }

  torch::nn::Module* module() override { return nullptr; }

 private:
  const int64_t terms_;
};

}  // namespace

std::unique_ptr<DynamicWeights> UncertaintyWeights(int64_t terms) {
  return std::make_unique<Uncertainty>(terms);
}

std::unique_ptr<DynamicWeights> DwaWeights(int64_t terms, double temperature) {
  return std::make_unique<Dwa>(terms, temperature);
}

std::unique_ptr<DynamicWeights> GradNormWeights(int64_t terms, double alpha, double rate) {
  return std::make_unique<GradNorm>(terms, alpha, rate);
}

std::unique_ptr<DynamicWeights> RandomWeights(int64_t terms) {
  return std::make_unique<Random>(terms);
}

}  // namespace losses
