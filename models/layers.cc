// Layers on LibTorch's modules and operators.
#include "models/layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/pixel_shuffle.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "models/convolution.h"
#include "models/shared_batch.h"
#include "models/written_layers.h"

namespace models {
namespace {

using activations::Activation;
using pipeline::Symbol;
namespace nn = torch::nn;

thread_local ParameterCount* counting = nullptr;

constexpr int64_t kMaxHalvings = 30;  // an image's size is an int

double GainOf(const std::unique_ptr<Activation>& activation) {
  return activation == nullptr ? 1 : activation->gain();
}

void Initialise(const at::Tensor& weight, const at::Tensor& bias, int64_t fan, double gain) {
  const c10::NoGradGuard no_gradients;
  weight.normal_(0, gain / std::sqrt(static_cast<double>(fan)));
  bias.zero_();
}

}  // namespace

ParameterCount::ParameterCount() { counting = this; }
ParameterCount::~ParameterCount() { counting = nullptr; }

// Whether this thread only counts.
bool Counted(double parameters) {
  if (counting != nullptr) counting->parameters_ += parameters;
  return counting != nullptr;
}

void Sequence::AddActivation(std::unique_ptr<Activation> activation) {
  if (activation == nullptr) return;
  // std::function wants what it holds to be copyable.
  const std::shared_ptr<Activation> shared = std::move(activation);
  if (auto module = shared->module()) register_module(absl::StrCat(size_), module);
  layers_.push_back({size_++,
                     [shared](at::Tensor x) {
                       at::Tensor y = (*shared)(std::move(x));
                       FeatureTap::Offer(y);
                       return y;
                     },
                     [shared](const Symbol& x) { return shared->Export(x); }});
}

void Sequence::AddConvolution(const Convolution& shape, std::unique_ptr<Activation> activation) {
  const auto outputs = static_cast<double>(shape.out);
  if (Counted(outputs * static_cast<double>(shape.in * shape.kernel * shape.kernel + 1))) return;
  nn::Conv2d convolution(
      nn::Conv2dOptions(shape.in, shape.out, shape.kernel).padding(shape.kernel / 2));
  const int64_t channels = shape.fan == Fan::kIn ? shape.in : shape.out;
  Initialise(convolution->weight, convolution->bias, channels * shape.kernel * shape.kernel,
             GainOf(activation));
  register_module(absl::StrCat(size_), convolution);
  layers_.push_back({size_++,
                     [convolution](const at::Tensor& x) {
                       return Convolve(x, convolution->weight, convolution->bias);
                     },
                     [convolution](const Symbol& x) { return WriteConvolution(*convolution, x); }});
  if (shape.batch_norm) AddBatchNorm(shape.out);
  AddActivation(std::move(activation));
}

void Sequence::AddBatchNorm(int64_t channels) {
  nn::BatchNorm2d norm(channels);
  register_module(absl::StrCat(size_), norm);
  layers_.push_back({size_++,
                     [norm](const at::Tensor& x) mutable {
                       return norm->is_training() ? BatchNorm(*norm, x) : norm->forward(x);
                     },
                     [norm](const Symbol& x) { return WriteBatchNorm(*norm, x); }});
}

void Sequence::AddLinear(int64_t in, int64_t out, std::unique_ptr<Activation> activation) {
  if (Counted(static_cast<double>(out) * static_cast<double>(in + 1))) return;
  nn::Linear linear(in, out);
  Initialise(linear->weight, linear->bias, in, GainOf(activation));
  register_module(absl::StrCat(size_), linear);
  layers_.push_back({size_++, [linear](const at::Tensor& x) mutable { return linear->forward(x); },
                     [linear](const Symbol& x) { return WriteLinear(*linear, x); }});
  AddActivation(std::move(activation));
}

void Sequence::AddPooling() {
  layers_.push_back({size_++, [](const at::Tensor& x) { return MaxPool(x); },
                     [](const Symbol& x) { return MaxPool(x); }});
}

void Sequence::AddDropout(double rate) {
  layers_.push_back(
      {size_++, [this, rate](const at::Tensor& x) { return is_training() ? Dropout(x, rate) : x; },
       [](const Symbol& x) { return x; }});
}

at::Tensor Sequence::Forward(at::Tensor x, int64_t from, int64_t to) {
  for (const Layer& layer : layers_) {
    if (layer.number >= from && layer.number < to) x = layer.apply(std::move(x));
  }
  return x;
}

Symbol Sequence::Forward(Symbol x, int64_t from, int64_t to) {
  for (const Layer& layer : layers_) {
    if (layer.number >= from && layer.number < to) x = layer.write(x);
  }
  return x;
}

UpConvolution::UpConvolution(int64_t in, int64_t out) {
  if (Counted(static_cast<double>(out) * static_cast<double>(4 * in + 1))) return;
  weight_ = register_parameter("weight", at::empty({in, out, 2, 2}));
  bias_ = register_parameter("bias", at::empty({out}));
  // Every output pixel sees one pixel of each channel.
  Initialise(weight_, bias_, in, /*gain=*/1);
}

at::Tensor UpConvolution::Forward(const at::Tensor& x) {
  const int64_t in = weight_.size(0), out = weight_.size(1);
  const at::Tensor kernel = weight_.permute({1, 2, 3, 0}).reshape({out * 4, in, 1, 1});
  return at::pixel_shuffle(at::conv2d(x, kernel, bias_.repeat_interleave(4)), 2);
}

Symbol UpConvolution::Forward(const Symbol& x) { return WriteUpConvolution(weight_, bias_, x); }

at::Tensor InterpolationMatrix(int64_t from, int64_t to, const at::TensorOptions& options) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const at::Tensor position = ((at::arange(to, options) + 0.5) * scale - 0.5).clamp(0, from - 1);
  return (1 - (position.unsqueeze(1) - at::arange(from, options)).abs()).clamp_min(0);
}

at::Tensor Upsample(const at::Tensor& x, int64_t height, int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::Tensor exact = x.to(c10::promoteTypes(x.scalar_type(), at::kFloat));
  const at::Tensor rows = InterpolationMatrix(x.size(2), height, exact.options());
  const at::Tensor columns = InterpolationMatrix(x.size(3), width, exact.options());
  return at::matmul(rows, at::matmul(exact, columns.t()));
}

at::Tensor Average(const at::Tensor& x, int64_t size) {
  return at::adaptive_avg_pool2d(x, {size, size}).flatten(1);
}

at::Tensor Joined(const at::Tensor& a, const at::Tensor& b) { return at::concat({a, b}, 1); }

at::Tensor PadToMultiple(const at::Tensor& x, int64_t multiple) {
  const auto missing = [&](int64_t extent) { return (multiple - extent % multiple) % multiple; };
  const int64_t bottom = missing(x.size(2)), right = missing(x.size(3));
  if (bottom == 0 && right == 0) return x;
  return at::constant_pad_nd(x, {0, right, 0, bottom});
}

at::Tensor Crop(const at::Tensor& x, int64_t height, int64_t width) {
  return x.slice(2, 0, height).slice(3, 0, width);
}

absl::Status CheckSize(const std::string& model, int64_t times, const ModelContext& context) {
  if (times <= kMaxHalvings && std::min(context.height, context.width) >= int64_t{1} << times) {
    return absl::OkStatus();
  }
  const std::string needed = times <= kMaxHalvings
                                 ? absl::StrCat("at least ", int64_t{1} << times, " pixels")
                                 : absl::StrCat("more than 2^", kMaxHalvings, " pixels");
  return absl::InvalidArgumentError(
      absl::StrCat("[models/", model, "] halves images ", times, " times, so they must be ", needed,
                   " wide and high; got ", context.height, "x", context.width));
}

}  // namespace models
