// Winograd's convolution as a function with gradients.
#include "models/convolution.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/winograd.h"

namespace models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

void Parallel(int64_t count, const std::function<void(int64_t, int64_t)>& range) {
  at::parallel_for(0, count, 1, range);
}

kernels::ConvolutionShape ShapeOf(const at::Tensor& x, int64_t out) {
  return {x.size(0), x.size(2), x.size(3), x.size(1), out};
}

at::Tensor MapsLike(const at::Tensor& x, int64_t channels) {
  return at::empty({x.size(0), channels, x.size(2), x.size(3)}, x.options(), kChannelsLast);
}

// `kernel` is [3, 3, in, out].
at::Tensor Convolved(const at::Tensor& x, const at::Tensor& kernel, const float* bias) {
  at::Tensor y = MapsLike(x, kernel.size(3));
  kernels::WinogradConvolve(ShapeOf(x, kernel.size(3)), x.data_ptr<float>(),
                            kernel.data_ptr<float>(), bias, y.data_ptr<float>(), Parallel);
  return y;
}

class Winograd : public torch::autograd::Function<Winograd> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given,
                            const at::Tensor& weight, const at::Tensor& bias) {
    const at::Tensor x = given.contiguous(kChannelsLast);
    context->save_for_backward({x, weight});
    return Convolved(x, weight.permute({2, 3, 1, 0}).contiguous(),
                     bias.contiguous().data_ptr<float>());
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor dy = incoming[0].contiguous(kChannelsLast);
    if (c10::GradMode::is_enabled()) return Differentiably(x, weight, dy);
    at::Tensor dx, dw, db;
    if (context->needs_input_grad(0)) {
      // What reached an output from the left goes back to the left.
      dx = Convolved(dy, weight.flip({2, 3}).permute({2, 3, 0, 1}).contiguous(), nullptr);
    }
    if (context->needs_input_grad(1)) {
      dw = at::empty({3, 3, weight.size(1), weight.size(0)}, weight.options());
      kernels::WinogradWeightGradient(ShapeOf(x, weight.size(0)), x.data_ptr<float>(),
                                      dy.data_ptr<float>(), dw.data_ptr<float>(), Parallel);
      dw = dw.permute({3, 2, 0, 1}).contiguous();
    }
    if (context->needs_input_grad(2)) db = dy.sum({0, 2, 3});
    return {dx, dw, db};
  }

 private:
  // Gradients that have gradients themselves.
  static variable_list Differentiably(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& dy) {
    const auto [dx, dw, db] = at::convolution_backward(
        dy, x, weight, weight.size(0), /*stride=*/{1, 1}, /*padding=*/{1, 1}, /*dilation=*/{1, 1},
        /*transposed=*/false, /*output_padding=*/{0, 0}, /*groups=*/1,
        /*output_mask=*/{true, true, true});
    return {dx, dw, db};
  }
};

// All CPU tensors have autocast's key, which is excluded while it is off.
bool UnderAutocast() {
  return !c10::impl::tls_is_dispatch_key_excluded(c10::DispatchKey::AutocastCPU);
}

// Below these LibTorch is faster (bench/convolution.cc). It is an image's size that decides, not a
// batch's, so that an output does not depend on which other images there are.
constexpr int64_t kLeastPixels = 64, kLeastWeights = 512;

bool Fits(const at::Tensor& x, const at::Tensor& weight) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat &&
         weight.size(2) == 3 && x.size(2) * x.size(3) >= kLeastPixels &&
         weight.size(0) * weight.size(1) >= kLeastWeights &&
         kernels::WinogradTakes(weight.size(1), weight.size(0)) && !UnderAutocast();
}

// Maps of one channel lie in memory alike in both formats; LibTorch takes them for rows, and what
// it makes of them has to be put into pixels by the next layer, and back by its gradient.
at::Tensor InPixels(const at::Tensor& x) {
  if (!x.is_cpu() || x.dim() != 4 || x.size(1) != 1 || !x.is_contiguous()) return x;
  return x.as_strided(x.sizes(), {x.size(2) * x.size(3), 1, x.size(3), 1});
}

}  // namespace

at::Tensor Convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (Fits(x, weight)) return Winograd::apply(x, weight, bias);
  return at::conv2d(InPixels(x), weight, bias, /*stride=*/1, /*padding=*/weight.size(2) / 2);
}

}  // namespace models
