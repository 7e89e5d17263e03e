// VGG16 with heads for images and for pixels.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "models/layers.h"
#include "models/model.h"
#include "models/vgg16.pb.h"

namespace models {
namespace {

constexpr int kLayers[] = {2, 2, 3, 3, 3};
constexpr int kChannels[] = {64, 128, 256, 512, 512};
constexpr int64_t kBlocks = 5;
constexpr int64_t kPooledSize = 7;
constexpr double kHidden = 4096;

}  // namespace

class Vgg16 : public Model {
 public:
  static absl::StatusOr<std::unique_ptr<Vgg16>> Create(const Vgg16Options& options,
                                                       const ModelContext& context) {
    const absl::Status size = CheckSize("Vgg16", kBlocks, context);
    if (!size.ok()) return size;
    return std::make_unique<Vgg16>(options, context);
  }

  Vgg16(const Vgg16Options& options, const ModelContext& context)
      : options_(options), segments_(context.task == pipeline::Task::kSegmentation) {
    features_ = register_module("features", std::make_shared<Sequence>());
    classifier_ = register_module("classifier", std::make_shared<Sequence>());
    int64_t channels = context.channels;
    for (int64_t block = 0; block < kBlocks; ++block) {
      for (int i = 0; i < kLayers[block]; ++i) {
        const int64_t out = Scaled(kChannels[block]);
        features_->AddConvolution({channels, out, 3, options.batch_norm()}, context.activation());
        channels = out;
      }
      features_->AddPooling();
      ends_.push_back(features_->size());
    }
    segments_ ? AddPixelHead(channels, context) : AddImageHead(channels, context);
  }

  at::Tensor Forward(at::Tensor images) override { return Scores(std::move(images)); }
  pipeline::Symbol Export(const pipeline::Symbol& images) override { return Scores(images); }

  torch::nn::Module* backbone() override { return segments_ ? nullptr : features_.get(); }
  at::Tensor Backbone(at::Tensor images) override { return Pooled(std::move(images)); }
  at::Tensor Head(at::Tensor features) override {
    return classifier_->Forward(std::move(features));
  }

 private:
  template <class T>
  T Scores(T images) {
    return segments_ ? Segment(images) : classifier_->Forward(Pooled(std::move(images)));
  }

  template <class T>
  T Pooled(T images) {
    const int64_t size = options_.head() == Vgg16Options::GAP ? 1 : kPooledSize;
    return Average(features_->Forward(std::move(images)), size);
  }

  // A score map of 1x1 convolution on the features that leave a block.
  struct Skip {
    int64_t block;
    std::shared_ptr<Sequence> score;
  };

  int64_t Scaled(double channels) const {
    return std::max<int64_t>(1, std::llround(channels * options_.width()));
  }

  void AddImageHead(int64_t channels, const ModelContext& context) {
    if (options_.head() == Vgg16Options::GAP) {
      classifier_->AddLinear(channels, context.classes, nullptr);
      return;
    }
    const int64_t hidden = Scaled(kHidden);
    classifier_->AddLinear(channels * kPooledSize * kPooledSize, hidden, context.activation());
    classifier_->AddDropout(options_.dropout());
    classifier_->AddLinear(hidden, hidden, context.activation());
    classifier_->AddDropout(options_.dropout());
    classifier_->AddLinear(hidden, context.classes, nullptr);
  }

  void AddPixelHead(int64_t channels, const ModelContext& context) {
    if (options_.head() == Vgg16Options::FC4096) {
      const int64_t hidden = Scaled(kHidden);
      for (const int64_t kernel : {kPooledSize, int64_t{1}}) {
        classifier_->AddConvolution({channels, hidden, kernel, false, Fan::kIn},
                                    context.activation());
        classifier_->AddDropout(options_.dropout());
        channels = hidden;
      }
    }
    classifier_->AddConvolution({channels, context.classes, 1, false, Fan::kIn}, nullptr);
    // FCN_32S is 0: the enum counts the blocks that give scores beside the last.
    for (int64_t i = 1; i <= options_.fcn(); ++i) {
      const int64_t block = kBlocks - 1 - i;
      auto score = std::make_shared<Sequence>();
      score->AddConvolution({Scaled(kChannels[block]), context.classes, 1}, nullptr);
      // So that training starts from the coarse prediction, as in the paper.
      const c10::NoGradGuard no_gradients;
      for (at::Tensor& parameter : score->parameters()) parameter.zero_();
      skips_.push_back({block, register_module(absl::StrCat("score_pool", block + 1), score)});
    }
  }

  template <class T>
  T Segment(const T& images) {
    const T padded = PadToMultiple(images, int64_t{1} << kBlocks);
    T x = padded;
    std::vector<T> pooled;
    int64_t begin = 0;
    for (const int64_t end : ends_) {
      x = features_->Forward(x, begin, end);
      pooled.push_back(x);
      begin = end;
    }
    T score = classifier_->Forward(x);
    for (const Skip& skip : skips_) {
      const T finer = skip.score->Forward(pooled[skip.block]);
      score = Upsample(score, finer.size(2), finer.size(3)) + finer;
    }
    score = Upsample(score, padded.size(2), padded.size(3));
    return Crop(score, images.size(2), images.size(3));
  }

  const Vgg16Options options_;
  const bool segments_;
  std::shared_ptr<Sequence> features_, classifier_;
  std::vector<int64_t> ends_;  // by block, of its layers in `features_`
  std::vector<Skip> skips_;    // coarse to fine
};

REGISTER_PLUGIN(Models, Vgg16);

}  // namespace models
