// A small network of convolutions and poolings.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "models/cnn.pb.h"
#include "models/layers.h"
#include "models/model.h"

namespace models {
namespace {

std::vector<int64_t> ChannelsOf(const CnnOptions& options) {
  if (options.channels_size() == 0) return {32, 64, 128};
  return {options.channels().begin(), options.channels().end()};
}

}  // namespace

class Cnn : public Model {
 public:
  static absl::StatusOr<std::unique_ptr<Cnn>> Create(const CnnOptions& options,
                                                     const ModelContext& context) {
    const auto blocks = static_cast<int64_t>(ChannelsOf(options).size());
    const absl::Status size = CheckSize("Cnn", blocks, context);
    if (!size.ok()) return size;
    return std::make_unique<Cnn>(options, context);
  }

  Cnn(const CnnOptions& options, const ModelContext& context)
      : segments_(context.task == pipeline::Task::kSegmentation) {
    features_ = register_module("features", std::make_shared<Sequence>());
    int64_t channels = context.channels;
    for (const int64_t out : ChannelsOf(options)) {
      features_->AddConvolution({channels, out, 3, options.batch_norm()}, context.activation());
      features_->AddPooling();
      channels = out;
      shrink_ *= 2;
    }
    classifier_ = register_module("classifier", std::make_shared<Sequence>());
    if (options.hidden() > 0) {
      AddDense(channels, options.hidden(), context.activation());
      channels = options.hidden();
    }
    classifier_->AddDropout(options.dropout());
    AddDense(channels, context.classes, nullptr);
  }

  at::Tensor Forward(at::Tensor images) override { return Scores(images); }
  pipeline::Symbol Export(const pipeline::Symbol& images) override { return Scores(images); }

  torch::nn::Module* backbone() override { return segments_ ? nullptr : features_.get(); }
  at::Tensor Backbone(at::Tensor images) override {
    return Average(features_->Forward(std::move(images)));
  }
  at::Tensor Head(at::Tensor features) override {
    return classifier_->Forward(std::move(features));
  }

 private:
  template <class T>
  T Scores(const T& images) {
    if (!segments_) return classifier_->Forward(Average(features_->Forward(images)));
    const T padded = PadToMultiple(images, shrink_);
    const T scores = classifier_->Forward(features_->Forward(padded));
    return Crop(Upsample(scores, padded.size(2), padded.size(3)), images.size(2), images.size(3));
  }

  // A linear layer over the channels: of an image, or of every pixel.
  void AddDense(int64_t in, int64_t out, std::unique_ptr<activations::Activation> activation) {
    if (segments_) {
      classifier_->AddConvolution({in, out, 1, false, Fan::kIn}, std::move(activation));
    } else {
      classifier_->AddLinear(in, out, std::move(activation));
    }
  }

  const bool segments_;
  int64_t shrink_ = 1;  // by which the features are smaller than the image
  std::shared_ptr<Sequence> features_, classifier_;
};

REGISTER_PLUGIN(Models, Cnn);

}  // namespace models
