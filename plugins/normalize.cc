// uint8 to float, scaled.
#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "pipeline/stage.h"
#include "plugins/normalize.pb.h"

namespace plugins {

class Normalize : public pipeline::Stage {
 public:
  explicit Normalize(const NormalizeOptions& options)
      : mean_(options.mean().begin(), options.mean().end()),
        std_(options.std().begin(), options.std().end()) {}

  pipeline::Ports ports() const override { return {{"images"}, {"images"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext*) override {
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
    images.dtype = at::kFloat;
    return pipeline::Specs{{"images", images}};
  }

  absl::Status Run(const pipeline::Step&, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const at::Tensor& images = in.at("images");
    const auto channels = [&](const std::vector<double>& values) {
      return at::tensor(values, images.options().dtype(at::kFloat)).reshape({1, -1, 1, 1});
    };
    at::Tensor x = images.to(at::kFloat).mul_(1.0 / 255);
    if (!mean_.empty()) x = x.sub_(channels(mean_));
    if (!std_.empty()) x = x.div_(channels(std_));
    (*out)["images"] = x;
    return absl::OkStatus();
  }

 private:
  const std::vector<double> mean_, std_;
};

REGISTER_PLUGIN(pipeline::Stages, Normalize);

}  // namespace plugins
