// What a model is: images in, logits out.
#ifndef MODELS_MODEL_H_
#define MODELS_MODEL_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <utility>

#include "activations/activation.h"
#include "pipeline/registry.h"
#include "pipeline/stage.h"

namespace models {

// What a model is built for.
struct ModelContext {
  int64_t channels = 1;  // of the images
  int64_t height = 0;
  int64_t width = 0;
  int64_t classes = 2;
  pipeline::Task task = pipeline::Task::kMulticlass;
  // Makes one more activation of the kind that the config asks for.
  std::function<std::unique_ptr<activations::Activation>()> activation;
};

// Parameters and buffers are registered under the names by which torchvision knows them.
class Model : public torch::nn::Module {
 public:
  // images: float [N, C, H, W]. Returns logits [N, classes], or [N, classes, H, W] for
  // segmentation.
  virtual at::Tensor Forward(at::Tensor images) = 0;

  // Of a model that is one, the part from the images to features that the head alone goes on with;
  // nullptr where there is none: Forward(x) is then Head(Backbone(x)).
  virtual torch::nn::Module* backbone() { return nullptr; }
  virtual at::Tensor Backbone(at::Tensor images) { return images; }
  virtual at::Tensor Head(at::Tensor features) { return Forward(std::move(features)); }

  // The same at inference in ONNX's operators, for images of the size that it was built for;
  // refused unless written. A model that is written on functions of both kinds (layers.h) has one
  // body.
  virtual pipeline::Symbol Export(const pipeline::Symbol& images);

  // As LibTorch's, but batch-norm layers of which no parameter is learned (see freeze.h) stay in
  // inference: they keep their statistics.
  void train(bool on = true) override;  // NOLINT(google-default-arguments)
};

// While one lives, the last feature map [N, C, h, w] that an activation in a model of this thread
// gives is kept.
class FeatureTap {
 public:
  FeatureTap();
  FeatureTap(const FeatureTap&) = delete;
  ~FeatureTap();
  // Undefined where there was none.
  const at::Tensor& last() const { return last_; }
  // Called by layers on what their activations give.
  static void Offer(const at::Tensor& x);

 private:
  at::Tensor last_;
};

using Models = pipeline::Registry<Model, const ModelContext&>;

}  // namespace models

#endif  // MODELS_MODEL_H_
