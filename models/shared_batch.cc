// Draws and sums over a batch of which this process has a part.
#include "models/shared_batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace models {
namespace {

using pipeline::Processes;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local const Processes* sharing = nullptr;
thread_local bool in_sync = true;

// The sum over processes, each of which goes on with it for its own rows: so the gradient is the
// sum of theirs.
class SumOfAll : public torch::autograd::Function<SumOfAll> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& own,
                            const Processes* processes) {
    context->saved_data["processes"] = reinterpret_cast<int64_t>(processes);
    return processes->Sum(own);
  }
  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    // The scope has ended, the processes have not.
    const auto* processes =
        reinterpret_cast<const Processes*>(context->saved_data["processes"].toInt());
    return {processes->Sum(incoming[0]), at::Tensor()};
  }
};

// By channel, as [1, C, 1, 1].
at::Tensor Spread(const at::Tensor& by_channel) { return by_channel.view({1, -1, 1, 1}); }

// mean and var are float64 [C], of `count` values a channel.
void UpdateAverages(torch::nn::BatchNorm2dImpl* norm, const at::Tensor& mean, const at::Tensor& var,
                    double count) {
  if (!norm->running_mean.defined()) return;
  const c10::NoGradGuard no_gradients;
  const double share = *norm->options.momentum();
  norm->num_batches_tracked += 1;
  norm->running_mean.mul_(1 - share).add_(mean.detach().to(at::kFloat), share);
  norm->running_var.mul_(1 - share).add_((var.detach() * (count / (count - 1))).to(at::kFloat),
                                         share);
}

// A blank image is not to be seen in averages.
at::Tensor OfNobody(torch::nn::BatchNorm2dImpl* norm, const at::Tensor& x) {
  norm->eval();
  const at::Tensor y = norm->forward(x);
  norm->train();
  return y;
}

}  // namespace

SharedBatch::SharedBatch(const Processes* processes, bool sync_norms) {
  in_sync = sync_norms;
  if (processes != nullptr && processes->size() > 1) sharing = processes;
}
SharedBatch::~SharedBatch() { sharing = nullptr; }

at::Tensor Dropout(const at::Tensor& x, double rate) {
  if (sharing == nullptr || rate == 0) return at::dropout(x, rate, /*train=*/true);
  const Processes::Share& share = sharing->share();
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = share.all;
  at::Tensor noise = at::empty(shape, x.options().requires_grad(false)).bernoulli_(1 - rate);
  if (rate < 1) noise.div_(1 - rate);
  return share.rows == 0 ? x : x * noise.narrow(0, share.first, share.rows);
}

at::Tensor BatchNorm(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x) {
  if (sharing == nullptr) return norm.forward(x);
  const Processes::Share& share = sharing->share();
  if (!in_sync) return share.rows == 0 ? OfNobody(&norm, x) : norm.forward(x);
  const at::Tensor wide = x.to(at::kFloat);
  // A blank row counts nothing.
  const at::Tensor own = wide.narrow(0, 0, share.rows);
  const int64_t channels = x.size(1);
  const double count = static_cast<double>(share.all * x.size(2) * x.size(3));
  TORCH_CHECK(count > 1, "Expected more than 1 value per channel when training, got input size ",
              x.sizes());
  const auto by_channel = [](const at::Tensor& values) {
    return values.sum({0, 2, 3}, /*keepdim=*/false, at::kDouble);
  };
  const at::Tensor sums =
      SumOfAll::apply(at::concat({by_channel(own), by_channel(own.square())}), sharing);
  const at::Tensor mean = sums.narrow(0, 0, channels) / count;
  const at::Tensor var = (sums.narrow(0, channels, channels) / count - mean.square()).clamp_min(0);
  UpdateAverages(&norm, mean, var, count);
  const at::Tensor scale = (var + norm.options.eps()).rsqrt() * norm.weight;
  const at::Tensor shift = norm.bias - mean * scale;
  const at::Tensor y = wide * Spread(scale.to(at::kFloat)) + Spread(shift.to(at::kFloat));
  return y.to(x.scalar_type());
}

}  // namespace models
