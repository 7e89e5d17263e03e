// Random geometry and color: the draws, and the ports.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "pipeline/stage.h"
#include "plugins/augment.pb.h"
#include "plugins/pixels/pixels.h"

namespace plugins {
namespace {

// Uniform draws that belong to one sample of one epoch.
class Draws {
 public:
  Draws(const pipeline::Step& step, int64_t sample)
      : state_(pipeline::Hash(
            {step.seed, static_cast<uint64_t>(step.epoch), static_cast<uint64_t>(sample)})) {}

  // In [low, high).
  double Uniform(double low, double high) {
    const uint64_t bits = pipeline::Hash({state_, count_++});
    return low + (high - low) * static_cast<double>(bits >> 11) * 0x1p-53;
  }
  double Sign(double flip_probability) { return Uniform(0, 1) < flip_probability ? -1 : 1; }

 private:
  const uint64_t state_;
  uint64_t count_ = 0;
};

}  // namespace

class Augment : public pipeline::Stage {
 public:
  explicit Augment(const AugmentOptions& options) : options_(options) {}

  pipeline::Ports ports() const override { return {{"images", "labels"}, {"images", "labels"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext* context) override {
    pipeline::Specs out = in;
    if (out["images"].dtype != at::kByte || out["images"].shape.size() != 4) {
      return absl::InvalidArgumentError(
          "images must be uint8 [N, C, H, W]: augment before normalize");
    }
    if (in.at("images").geometry != in.at("labels").geometry && in.at("labels").shape.size() > 1) {
      return absl::InvalidArgumentError("masks do not belong to the images any more");
    }
    const int geometry = context->NewGeometry();
    for (auto& [port, spec] : out) spec.geometry = geometry;
    return out;
  }

  absl::Status Run(const pipeline::Step& step, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const at::Tensor& images = in.at("images");
    const at::Tensor& labels = in.at("labels");
    const auto count = images.size(0);
    // A GPU takes it from there while the processor goes on.
    const auto numbers = at::TensorOptions(at::kFloat).pinned_memory(!images.is_cpu());
    at::Tensor motion = at::empty({count, kMotion}, numbers);
    for (int64_t i = 0; i < count; ++i) {
      Draw(step, step.Drawing(i), motion.data_ptr<float>() + i * kMotion);
    }
    (*out)["images"] = Moved(images, motion);
    (*out)["labels"] = labels.dim() == 1 ? labels : MovedMasks(labels, motion);
    return absl::OkStatus();
  }

 private:
  // The numbers of one image, as Moved takes them.
  void Draw(const pipeline::Step& step, int64_t sample, float* to) const {
    Draws draws(step, sample);
    const double area = draws.Uniform(options_.crop(), 1);
    const double ratio = std::exp(draws.Uniform(-1, 1) * std::log(options_.aspect()));
    const double width = std::min(1.0, std::sqrt(area * ratio));
    const double height = std::min(1.0, std::sqrt(area / ratio));
    const double left = draws.Uniform(width - 1, 1 - width);
    const double top = draws.Uniform(height - 1, 1 - height);
    const double flip_x = draws.Sign(options_.horizontal_flip());
    const double flip_y = draws.Sign(options_.vertical_flip());
    const double angle = draws.Uniform(-1, 1) * options_.rotation() * M_PI / 180;
    const double cosine = std::cos(angle), sine = std::sin(angle);
    const auto factor = [&](double range) { return 1 + draws.Uniform(-range, range); };
    const double values[kMotion] = {
        width * flip_x * cosine,       -width * flip_y * sine,      left,
        height * flip_x * sine,        height * flip_y * cosine,    top,
        factor(options_.brightness()), factor(options_.contrast()), factor(options_.saturation())};
    for (int i = 0; i < kMotion; ++i) to[i] = static_cast<float>(values[i]);
  }

  const AugmentOptions options_;
};

REGISTER_PLUGIN(pipeline::Stages, Augment);

}  // namespace plugins
