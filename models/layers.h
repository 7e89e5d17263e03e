// What models are made of: rows of layers, upsampling, and images padded to whole grids. Each
// function takes tensors, or symbols of a graph that is exported.
#ifndef MODELS_LAYERS_H_
#define MODELS_LAYERS_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "activations/activation.h"
#include "models/model.h"

namespace models {

// While one lives, layers that this thread makes are counted, and have no parameters: what a model
// would take is known before it takes it.
class ParameterCount {
 public:
  ParameterCount();
  ParameterCount(const ParameterCount&) = delete;
  ~ParameterCount();
  double parameters() const { return parameters_; }

 private:
  friend bool Counted(double parameters);
  double parameters_ = 0;
};

// Along which way an initialisation keeps the variance of the signal: forwards (the inputs of a
// neuron are counted) or backwards (its outputs are, as torchvision does for convolutions).
enum class Fan { kIn, kOut };

struct Convolution {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;       // odd; zeros around the image keep its size
  bool batch_norm = false;  // after it, before the activation
  Fan fan = Fan::kOut;
};

// Layers one after the other, numbered as torch.nn.Sequential numbers them: of a convolution, its
// batch norm, its activation and a pooling the parameters are "0.weight", "0.bias", "1.weight", ...
// whether or not the activation has any of its own. Weights are drawn by He's rule for the gain of
// the activation that follows (1 where none does); biases are 0.
class Sequence : public torch::nn::Module {
 public:
  // `activation` may be nullptr: an output layer.
  void AddConvolution(const Convolution& shape,
                      std::unique_ptr<activations::Activation> activation);
  void AddLinear(int64_t in, int64_t out, std::unique_ptr<activations::Activation> activation);
  void AddPooling();  // MaxPool
  void AddDropout(double rate);

  // How many layers there are so far; counts activations, norms, pooling and dropout.
  int64_t size() const { return size_; }

  // The layers of which [from, to) are the numbers; all, where `to` is left out.
  at::Tensor Forward(at::Tensor x) { return Forward(std::move(x), 0, size_); }
  at::Tensor Forward(at::Tensor x, int64_t from, int64_t to);
  pipeline::Symbol Forward(const pipeline::Symbol& x) { return Forward(x, 0, size_); }
  pipeline::Symbol Forward(pipeline::Symbol x, int64_t from, int64_t to);

 private:
  struct Layer {
    int64_t number;
    std::function<at::Tensor(at::Tensor)> apply;
    std::function<pipeline::Symbol(const pipeline::Symbol&)> write;
  };

  void AddActivation(std::unique_ptr<activations::Activation> activation);
  void AddBatchNorm(int64_t channels);

  std::vector<Layer> layers_;
  int64_t size_ = 0;
};

// The up-convolution of the U-Net: a transposed convolution of 2x2 with stride 2, whose parameters
// are shaped and named as those of torch.nn.ConvTranspose2d ("weight" [in, out, 2, 2], "bias"
// [out]). Computed as what it is, a convolution of 1x1 to 4 * out channels whose outputs move into
// place: as fast as other convolutions in every precision, and no sum depends on a race.
class UpConvolution : public torch::nn::Module {
 public:
  UpConvolution(int64_t in, int64_t out);
  // [N, in, H, W] to [N, out, 2 H, 2 W].
  at::Tensor Forward(const at::Tensor& x);
  pipeline::Symbol Forward(const pipeline::Symbol& x);

 private:
  at::Tensor weight_, bias_;
};

// Bilinear interpolation to height x width with pixels' centers at half-integers, as
// torch.nn.functional.interpolate(align_corners=False) has it. Done by two matrix products, whose
// gradients are the same every time, also on a GPU, where LibTorch's own are not. Never in less
// than float32.
at::Tensor Upsample(const at::Tensor& x, int64_t height, int64_t width);
pipeline::Symbol Upsample(const pipeline::Symbol& x, int64_t height, int64_t width);

// The maximum over 2x2, which halves height and width, rounding down.
at::Tensor MaxPool(const at::Tensor& x);
pipeline::Symbol MaxPool(const pipeline::Symbol& x);

// Each channel's pixels averaged over size x size areas, as torch.nn.AdaptiveAvgPool2d has them:
// [N, C, H, W] to [N, C * size * size].
at::Tensor Average(const at::Tensor& x, int64_t size = 1);
pipeline::Symbol Average(const pipeline::Symbol& x, int64_t size = 1);

// Two maps of one size as one, the channels of `a` first.
at::Tensor Joined(const at::Tensor& a, const at::Tensor& b);
pipeline::Symbol Joined(const pipeline::Symbol& a, const pipeline::Symbol& b);

// Zeros at the right and at the bottom, until `multiple` divides height and width. A model that
// halves its images some times then keeps its maps aligned with the image's pixels.
at::Tensor PadToMultiple(const at::Tensor& x, int64_t multiple);
pipeline::Symbol PadToMultiple(const pipeline::Symbol& x, int64_t multiple);
// The top left part, which undoes the padding.
at::Tensor Crop(const at::Tensor& x, int64_t height, int64_t width);
pipeline::Symbol Crop(const pipeline::Symbol& x, int64_t height, int64_t width);

// An error where images are so small that halving them `times` leaves nothing.
absl::Status CheckSize(const std::string& model, int64_t times, const ModelContext& context);

}  // namespace models

#endif  // MODELS_LAYERS_H_
