// Halving maps, with its gradient.
#include "kernels/max_pool.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices_backward.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/layers.h"

namespace models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;
constexpr int64_t kFloatsPerThread = 1 << 15;

kernels::MapShape ShapeOf(const at::Tensor& x) {
  return {x.size(0), x.size(2), x.size(3), x.size(1)};
}

// Calls body(begin, end) for the rows of what x becomes.
template <class Body>
void ForRows(const at::Tensor& x, const Body& body) {
  const int64_t grain = kFloatsPerThread / (x.size(1) * x.size(3)) + 1;
  at::parallel_for(0, x.size(0) * (x.size(2) / 2), grain, body);
}

class Halving : public torch::autograd::Function<Halving> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given) {
    const at::Tensor x = given.contiguous(kChannelsLast);
    at::Tensor y =
        at::empty({x.size(0), x.size(1), x.size(2) / 2, x.size(3) / 2}, x.options(), kChannelsLast);
    const auto* from = x.data_ptr<float>();
    auto* to = y.data_ptr<float>();
    ForRows(
        x, [&](int64_t begin, int64_t end) { kernels::MaxPool(ShapeOf(x), from, to, begin, end); });
    context->save_for_backward({x, y});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1];
    if (c10::GradMode::is_enabled()) return {Differentiably(x, incoming[0])};
    const at::Tensor dy = incoming[0].contiguous(kChannelsLast);
    at::Tensor dx = at::empty_like(x);
    const auto *in = x.data_ptr<float>(), *out = y.data_ptr<float>(), *slope = dy.data_ptr<float>();
    auto* to = dx.data_ptr<float>();
    ForRows(x, [&](int64_t begin, int64_t end) {
      kernels::MaxPoolGradient(ShapeOf(x), in, out, slope, to, begin, end);
    });
    return {dx};
  }

 private:
  // A gradient that has gradients itself.
  static at::Tensor Differentiably(const at::Tensor& x, const at::Tensor& dy) {
    const auto indices = std::get<1>(at::max_pool2d_with_indices(x, 2));
    return at::max_pool2d_with_indices_backward(dy, x, {2, 2}, {2, 2}, {0, 0}, {1, 1},
                                                /*ceil_mode=*/false, indices);
  }
};

}  // namespace

at::Tensor MaxPool(const at::Tensor& x) {
  const bool fits = x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.size(2) > 1 &&
                    x.size(3) > 1 && x.size(1) > 0;
  return fits ? Halving::apply(x) : at::max_pool2d(x, 2);
}

}  // namespace models
