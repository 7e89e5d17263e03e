// RGB to gray.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include "absl/strings/str_cat.h"
#include "pipeline/stage.h"
#include "plugins/grayscale.pb.h"
#include "plugins/pixels/pixels.h"

namespace plugins {

class Grayscale : public pipeline::Stage {
 public:
  explicit Grayscale(const GrayscaleOptions& options) : channels_(options.channels()) {}

  pipeline::Ports ports() const override { return {{"images"}, {"images"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext*) override {
    pipeline::TensorSpec images = in.at("images");
    if (images.shape.size() != 4 || images.shape[1] != 3 || images.dtype != at::kByte) {
      return absl::InvalidArgumentError("images must be uint8 with 3 channels");
    }
    images.shape[1] = channels_;
    return pipeline::Specs{{"images", images}};
  }

  bool SeesColor() const override { return false; }

  absl::Status Run(const pipeline::Step&, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const at::Tensor gray = Gray(in.at("images"));
    (*out)["images"] = channels_ == 1 ? gray : gray.expand({-1, channels_, -1, -1});
    return absl::OkStatus();
  }

  void Export(const pipeline::Symbols& in, pipeline::OperatorGraph* graph,
              pipeline::Symbols* out) override {
    graph->Tell("grayscale", "(19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down");
    // Exact in float32: no sum reaches 2^24.
    pipeline::Symbol gray = pipeline::Op(
        "Conv", {in.at("images"),
                 graph->Constant(at::tensor({19595.F, 38470.F, 7471.F}).reshape({1, 3, 1, 1})),
                 graph->Constant(at::tensor({32768.F}))});
    gray = pipeline::Op("Floor", {gray * 0x1p-16});
    gray.shape[1] = channels_;
    if (channels_ > 1) {
      gray = pipeline::Op("Concat", std::vector<pipeline::Symbol>(channels_, gray),
                          {{"axis", int64_t{1}}});
    }
    (*out)["images"] = gray;
  }

 private:
  const int channels_;
};

REGISTER_PLUGIN(pipeline::Stages, Grayscale);

}  // namespace plugins
