// uint8 to float, scaled.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/stage.h"
#include "plugins/normalize.pb.h"
#include "plugins/pixels/pixels.h"

namespace plugins {

class Normalize : public pipeline::Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Normalize>> Create(const NormalizeOptions& options) {
    if (options.per_image() && options.mean_size() + options.std_size() > 0) {
      return pipeline::OptionError("per_image", "per_image takes no mean and no std beside it");
    }
    return std::make_unique<Normalize>(options);
  }

  explicit Normalize(const NormalizeOptions& options)
      : per_image_(options.per_image()),
        mean_(options.mean().begin(), options.mean().end()),
        std_(options.std().begin(), options.std().end()) {}

  pipeline::Ports ports() const override { return {{"images"}, {"images"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext* context) override {
    pipeline::TensorSpec images = in.at("images");
    if (images.dtype != at::kByte || images.shape.size() != 4) {
      return absl::InvalidArgumentError("images must be uint8 [N, C, H, W]");
    }
    for (const auto* list : {&mean_, &std_}) {
      if (list->size() > 1 && static_cast<int64_t>(list->size()) != images.shape[1]) {
        return absl::InvalidArgumentError(absl::StrCat(list == &mean_ ? "mean" : "std", " has ",
                                                       list->size(), " values for ",
                                                       images.shape[1], " channels"));
      }
    }
    // (x / 255 - mean) / std as x * factor + shift.
    const auto channels = [&](const std::vector<double>& values, double otherwise) {
      const auto count = std::max<int64_t>(1, static_cast<int64_t>(values.size()));
      at::Tensor all = at::full({count}, otherwise, at::kDouble);
      std::copy(values.begin(), values.end(), all.data_ptr<double>());
      return all.expand({images.shape[1]});
    };
    const at::Tensor std = channels(std_, 1);
    const at::Device device(context->device);
    factor_ = (1 / (255 * std)).to(device, at::kFloat);
    shift_ = (-channels(mean_, 0) / std).to(device, at::kFloat);
    images.dtype = at::kFloat;
    return pipeline::Specs{{"images", images}};
  }

  absl::Status Run(const pipeline::Step&, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const at::Tensor& images = in.at("images");
    (*out)["images"] = per_image_ ? Standardised(images) : Scaled(images, factor_, shift_);
    return absl::OkStatus();
  }

  void Export(const pipeline::Symbols& in, pipeline::OperatorGraph* graph,
              pipeline::Symbols* out) override {
    const pipeline::Symbol& x = in.at("images");
    const auto channels = [&](const at::Tensor& values) {
      return graph->Constant(values.reshape({-1, 1, 1}));
    };
    if (per_image_) {
      graph->Tell("per_image", "true");
      (*out)["images"] = Standardised(x * (1.0 / 255));
      return;
    }
    graph->Tell("mean", ListText(mean_, 0));
    graph->Tell("std", ListText(std_, 1));
    (*out)["images"] = x * channels(factor_) + channels(shift_);
  }

 private:
  static std::string ListText(const std::vector<double>& values, double otherwise) {
    return absl::StrCat("[", values.empty() ? absl::StrCat(otherwise) : absl::StrJoin(values, ", "),
                        "]");
  }

  static pipeline::Symbol Standardised(const pipeline::Symbol& x) {
    const auto mean = [](const pipeline::Symbol& values) {
      return pipeline::Op("ReduceMean", {values}, {{"axes", std::vector<int64_t>{1, 2, 3}}});
    };
    const pipeline::Symbol centered = x - mean(x);
    const pipeline::Symbol deviation = pipeline::Op("Sqrt", {mean(centered * centered)});
    return centered / pipeline::Op("Max", {deviation, Scalar(x, kDarkest)});
  }

  static at::Tensor Standardised(const at::Tensor& images) {
    const at::Tensor x = images.to(at::kFloat).mul_(1.0 / 255);
    const at::Tensor flat = x.flatten(1);
    const auto each = [](const at::Tensor& values) { return values.reshape({-1, 1, 1, 1}); };
    return x.sub(each(flat.mean(1))).div_(each(flat.std(1, false).clamp_min(kDarkest)));
  }

  static constexpr double kDarkest = 1.0 / 255;  // an image of one color has no deviation

  const bool per_image_;
  const std::vector<double> mean_, std_;
  at::Tensor factor_, shift_;  // by channel
};

REGISTER_PLUGIN(pipeline::Stages, Normalize);

}  // namespace plugins
