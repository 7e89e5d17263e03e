// The U-Net, and its way down as a classifier.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "absl/strings/str_cat.h"
#include "models/layers.h"
#include "models/model.h"
#include "models/unet.pb.h"

namespace models {

class Unet : public Model {
 public:
  static absl::StatusOr<std::unique_ptr<Unet>> Create(const UnetOptions& options,
                                                      const ModelContext& context) {
    const absl::Status size = CheckSize("Unet", options.depth(), context);
    if (!size.ok()) return size;
    return std::make_unique<Unet>(options, context);
  }

  Unet(const UnetOptions& options, const ModelContext& context)
      : options_(options), segments_(context.task == pipeline::Task::kSegmentation) {
    const int depth = options.depth();
    const auto encoder = register_module("encoder", std::make_shared<Module>("encoder"));
    int64_t channels = context.channels;
    for (int level = 0; level <= depth; ++level) {
      encoder_.push_back(TwoConvolutions(channels, Width(level), context));
      encoder->register_module(absl::StrCat(level), encoder_.back());
      channels = Width(level);
    }
    encoder_.back()->AddDropout(options.dropout());
    if (segments_) AddWayUp(context);
    classifier_ = register_module("classifier", std::make_shared<Sequence>());
    if (segments_) {
      classifier_->AddConvolution({Width(0), context.classes, 1, false, Fan::kIn}, nullptr);
    } else {
      classifier_->AddLinear(channels, context.classes, nullptr);
    }
  }

  at::Tensor Forward(at::Tensor images) override { return Scores(images); }
  pipeline::Symbol Export(const pipeline::Symbol& images) override { return Scores(images); }

 private:
  template <class T>
  T Scores(const T& images) {
    const int depth = options_.depth();
    T x = segments_ ? PadToMultiple(images, int64_t{1} << depth) : images;
    std::vector<T> skips;
    for (int level = 0; level < depth; ++level) {
      x = encoder_[level]->Forward(x);
      skips.push_back(x);
      x = MaxPool(x);
    }
    x = encoder_[depth]->Forward(x);
    if (!segments_) return classifier_->Forward(Average(x));
    for (int level = depth - 1; level >= 0; --level) {
      x = decoder_[level]->Forward(Joined(skips[level], upsample_[level]->Forward(x)));
    }
    return Crop(classifier_->Forward(x), images.size(2), images.size(3));
  }

  int64_t Width(int level) const { return int64_t{options_.width()} << level; }

  std::shared_ptr<Sequence> TwoConvolutions(int64_t in, int64_t out,
                                            const ModelContext& context) const {
    auto layers = std::make_shared<Sequence>();
    // The paper counts a neuron's inputs.
    layers->AddConvolution({in, out, 3, options_.batch_norm(), Fan::kIn}, context.activation());
    layers->AddConvolution({out, out, 3, options_.batch_norm(), Fan::kIn}, context.activation());
    return layers;
  }

  void AddWayUp(const ModelContext& context) {
    const auto upsample = register_module("upsample", std::make_shared<Module>("upsample"));
    const auto decoder = register_module("decoder", std::make_shared<Module>("decoder"));
    for (int level = 0; level < options_.depth(); ++level) {
      const int64_t width = Width(level);
      upsample_.push_back(std::make_shared<UpConvolution>(2 * width, width));
      decoder_.push_back(TwoConvolutions(2 * width, width, context));
      upsample->register_module(absl::StrCat(level), upsample_.back());
      decoder->register_module(absl::StrCat(level), decoder_.back());
    }
  }

  const UnetOptions options_;
  const bool segments_;
  // By level, 0 being the finest.
  std::vector<std::shared_ptr<Sequence>> encoder_, decoder_;
  std::vector<std::shared_ptr<UpConvolution>> upsample_;
  std::shared_ptr<Sequence> classifier_;
};

REGISTER_PLUGIN(Models, Unet);

}  // namespace models
