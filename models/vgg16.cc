// VGG16 with either head.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "models/model.h"
#include "models/vgg16.pb.h"

namespace models {
namespace {

using activations::Activation;
namespace nn = torch::nn;

constexpr int kBlocks[5][2] = {
    {2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}};  // layers, channels
constexpr int64_t kPooledSize = 7;
constexpr double kHidden = 4096;

// He's initialisation for the gain of the activation that follows: the signal's variance is kept
// forwards for linear layers and backwards (fan out) for convolutions, as torchvision does.
void Initialise(const at::Tensor& weight, const at::Tensor& bias, double fan, double gain) {
  const c10::NoGradGuard no_gradients;
  weight.normal_(0, gain / std::sqrt(fan));
  bias.zero_();
}

}  // namespace

class Vgg16 : public Model {
 public:
  static absl::StatusOr<std::unique_ptr<Vgg16>> Create(const Vgg16Options& options,
                                                       const ModelContext& context) {
    if (context.task == pipeline::Task::kSegmentation) {
      return absl::InvalidArgumentError(
          "[models/Vgg16] classifies images; it has no head for masks");
    }
    constexpr int64_t kShrink = 32;
    if (std::min(context.height, context.width) < kShrink) {
      return absl::InvalidArgumentError(
          absl::StrCat("[models/Vgg16] halves images five times, so they must be at least ",
                       kShrink, " pixels wide and high; got ", context.height, "x", context.width));
    }
    return std::make_unique<Vgg16>(options, context);
  }

  Vgg16(const Vgg16Options& options, const ModelContext& context) : options_(options) {
    features_ = register_module("features", std::make_shared<nn::Module>("features"));
    classifier_ = register_module("classifier", std::make_shared<nn::Module>("classifier"));
    int64_t channels = context.channels;
    for (const auto& [layers, width] : kBlocks) {
      for (int i = 0; i < layers; ++i) {
        AddConvolution(channels, Scaled(width), context);
        channels = Scaled(width);
      }
      layers_.push_back({});  // max pooling
      ++index_;
    }
    index_ = 0;
    if (options.head() == Vgg16Options::GAP) {
      AddLinear(channels, context.classes, nullptr);
      return;
    }
    AddLinear(channels * kPooledSize * kPooledSize, Scaled(kHidden), context.activation());
    AddLinear(Scaled(kHidden), Scaled(kHidden), context.activation());
    AddLinear(Scaled(kHidden), context.classes, nullptr);
  }

  at::Tensor Forward(at::Tensor x) override {
    for (Layer& layer : layers_) {
      if (layer.convolution.is_empty()) {
        x = at::max_pool2d(x, 2);
        continue;
      }
      x = layer.convolution->forward(x);
      if (!layer.norm.is_empty()) x = layer.norm->forward(x);
      x = (*layer.activation)(std::move(x));
    }
    const int64_t size = options_.head() == Vgg16Options::GAP ? 1 : kPooledSize;
    x = at::adaptive_avg_pool2d(x, {size, size}).flatten(1);
    for (Hidden& layer : hidden_) {
      x = layer.linear->forward(x);
      if (layer.activation == nullptr) continue;
      x = (*layer.activation)(std::move(x));
      x = at::dropout(x, options_.dropout(), is_training());
    }
    return x;
  }

 private:
  struct Layer {
    nn::Conv2d convolution{nullptr};  // empty: max pooling
    nn::BatchNorm2d norm{nullptr};    // empty: none
    std::unique_ptr<Activation> activation;
  };
  struct Hidden {
    nn::Linear linear{nullptr};
    std::unique_ptr<Activation> activation;  // nullptr: the output layer
  };

  int64_t Scaled(double channels) const {
    return std::max<int64_t>(1, std::llround(channels * options_.width()));
  }

  void AddConvolution(int64_t in, int64_t out, const ModelContext& context) {
    Layer layer;
    layer.activation = context.activation();
    layer.convolution = features_->register_module(
        absl::StrCat(index_++), nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1)));
    Initialise(layer.convolution->weight, layer.convolution->bias, static_cast<double>(out) * 9,
               layer.activation->gain());
    if (options_.batch_norm()) {
      layer.norm = features_->register_module(absl::StrCat(index_++), nn::BatchNorm2d(out));
    }
    Adopt(features_, *layer.activation);
    layers_.push_back(std::move(layer));
  }

  void AddLinear(int64_t in, int64_t out, std::unique_ptr<Activation> activation) {
    Hidden layer;
    layer.linear = classifier_->register_module(absl::StrCat(index_++), nn::Linear(in, out));
    // The output layer has no activation to make up for.
    Initialise(layer.linear->weight, layer.linear->bias, static_cast<double>(in),
               activation == nullptr ? 1 : activation->gain());
    if (activation != nullptr) {
      Adopt(classifier_, *activation);
      ++index_;  // dropout
    }
    layer.activation = std::move(activation);
    hidden_.push_back(std::move(layer));
  }

  // The activation takes a number like any layer, parameters or not.
  void Adopt(const std::shared_ptr<nn::Module>& parent, Activation& activation) {
    const std::string name = absl::StrCat(index_++);
    if (auto module = activation.module()) parent->register_module(name, module);
  }

  const Vgg16Options options_;
  std::shared_ptr<nn::Module> features_, classifier_;
  int index_ = 0;  // of the next layer, as torchvision counts
  std::vector<Layer> layers_;
  std::vector<Hidden> hidden_;
};

REGISTER_PLUGIN(Models, Vgg16);

}  // namespace models
