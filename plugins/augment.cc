// Random geometry and color, as batch operations on the device.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "pipeline/stage.h"
#include "plugins/augment.pb.h"

namespace plugins {
namespace {

// grid_sample's modes, which LibTorch names by number.
constexpr int64_t kBilinear = 0, kNearest = 1, kZeros = 0;

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
    // Columns: the six numbers of the affine map, then brightness, contrast, saturation.
    at::Tensor draws = at::empty({count, 9}, at::kFloat);
    for (int64_t i = 0; i < count; ++i) Draw(step, step.Drawing(i), draws[i].data_ptr<float>());
    draws = draws.to(images.device());
    const at::Tensor map = draws.slice(1, 0, 6).reshape({count, 2, 3});
    const at::Tensor grid =
        at::affine_grid_generator(map, {count, 1, images.size(2), images.size(3)}, false);
    at::Tensor moved =
        at::grid_sampler(images.to(at::kFloat), grid, kBilinear, kZeros, /*align_corners=*/false);
    (*out)["images"] = Jittered(moved, draws).clamp_(0, 255).round_().to(at::kByte);
    (*out)["labels"] = labels.dim() == 1 ? labels : MovedMasks(labels, grid);
    return absl::OkStatus();
  }

 private:
  // The map from output to input coordinates, both in [-1, 1] from edge to edge.
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
    const double values[9] = {
        width * flip_x * cosine,       -width * flip_y * sine,      left,
        height * flip_x * sine,        height * flip_y * cosine,    top,
        factor(options_.brightness()), factor(options_.contrast()), factor(options_.saturation())};
    for (int i = 0; i < 9; ++i) to[i] = static_cast<float>(values[i]);
  }

  static at::Tensor Jittered(const at::Tensor& images, const at::Tensor& draws) {
    const auto column = [&](int64_t i) { return draws.select(1, i).reshape({-1, 1, 1, 1}); };
    at::Tensor x = images * column(6);
    const at::Tensor mean = x.mean({1, 2, 3}, /*keepdim=*/true);
    x = (x - mean) * column(7) + mean;
    if (x.size(1) == 1) return x;
    const at::Tensor gray = x.mean(1, /*keepdim=*/true);
    return (x - gray) * column(8) + gray;
  }

  // grid_sampler fills with 0, so labels are shifted to make 0 mean "ignored".
  static at::Tensor MovedMasks(const at::Tensor& labels, const at::Tensor& grid) {
    const at::Tensor shifted = (labels - pipeline::kIgnoredLabel).to(at::kFloat).unsqueeze(1);
    return at::grid_sampler(shifted, grid, kNearest, kZeros, false).squeeze(1).to(at::kLong) +
           pipeline::kIgnoredLabel;
  }

  const AugmentOptions options_;
};

REGISTER_PLUGIN(pipeline::Stages, Augment);

}  // namespace plugins
