// Activations as curves, for the verb `plot`.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "activations/activation.h"
#include "pipeline/plotter.h"

namespace activations {
namespace {

// The first of two channels, the other being 0: what is not a function of one element is drawn too.
absl::StatusOr<std::vector<pipeline::Curve>> Draw(const google::protobuf::Any& plugin) {
  auto made = Activations::Get().Create(plugin);
  if (!made.ok()) return made.status();
  constexpr int64_t kPoints = 3001;
  constexpr double kReach = 5;
  const at::Tensor line = at::linspace(-kReach, kReach, kPoints, at::kDouble);
  const at::Tensor x = at::stack({line, at::zeros_like(line)}, 1).requires_grad_();
  const at::Tensor y = (**made)(x * 1);
  const at::Tensor slope = torch::autograd::grad({y.select(1, 0).sum()}, {x})[0];
  const auto column = [](const at::Tensor& all) {
    const at::Tensor first = all.detach().select(1, 0).contiguous();
    return std::vector<double>(first.data_ptr<double>(), first.data_ptr<double>() + first.numel());
  };
  return std::vector<pipeline::Curve>{{column(x), column(y), column(slope), {}}};
}

const pipeline::Plotter plotter("activations", Draw);

}  // namespace
}  // namespace activations
