// Gray, motion, jitter and scaling by tensor operators, for any device.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/affine_grid_generator.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/grid_sampler.h>

#include "pipeline/stage.h"
#include "plugins/pixels/pixels.h"

namespace plugins {
namespace {

// grid_sample's modes, which LibTorch names by number.
constexpr int64_t kBilinear = 0, kNearest = 1, kZeros = 0;

at::Tensor Grid(const at::Tensor& motion, const at::Tensor& like, int64_t height, int64_t width) {
  const at::Tensor map = motion.slice(1, 0, 6).reshape({-1, 2, 3}).to(like.device());
  return at::affine_grid_generator(map, {map.size(0), 1, height, width}, /*align_corners=*/false);
}

}  // namespace

at::Tensor GrayByOperators(const at::Tensor& images) {
  const at::Tensor wide = images.to(at::kInt);
  const at::Tensor sum =
      wide.select(1, 0) * 19595 + wide.select(1, 1) * 38470 + wide.select(1, 2) * 7471;
  return at::bitwise_right_shift(sum + (1 << 15), 16).to(at::kByte).unsqueeze(1);
}

at::Tensor MovedByOperators(const at::Tensor& images, const at::Tensor& motion) {
  const at::Tensor grid = Grid(motion, images, images.size(2), images.size(3));
  const at::Tensor factors = motion.to(images.device());
  const auto column = [&](int64_t i) { return factors.select(1, i).reshape({-1, 1, 1, 1}); };
  at::Tensor x =
      at::grid_sampler(images.to(at::kFloat), grid, kBilinear, kZeros, /*align_corners=*/false) *
      column(6);
  const at::Tensor mean = x.mean({1, 2, 3}, /*keepdim=*/true);
  x = (x - mean) * column(7) + mean;
  if (x.size(1) > 1) {
    const at::Tensor gray = x.mean(1, /*keepdim=*/true);
    x = (x - gray) * column(8) + gray;
  }
  return x.clamp_(0, 255).round_().to(at::kByte);
}

at::Tensor MovedMasksByOperators(const at::Tensor& masks, const at::Tensor& motion) {
  const at::Tensor grid = Grid(motion, masks, masks.size(1), masks.size(2));
  // grid_sampler fills with 0, so labels are shifted to make 0 mean "ignored".
  const at::Tensor shifted = (masks - pipeline::kIgnoredLabel).to(at::kFloat).unsqueeze(1);
  return at::grid_sampler(shifted, grid, kNearest, kZeros, false).squeeze(1).to(at::kLong) +
         pipeline::kIgnoredLabel;
}

at::Tensor ScaledByOperators(const at::Tensor& images, const at::Tensor& factor,
                             const at::Tensor& shift) {
  const auto channels = [&](const at::Tensor& values) {
    return values.to(images.device()).reshape({1, -1, 1, 1});
  };
  return images.to(at::kFloat).mul_(channels(factor)).add_(channels(shift));
}

}  // namespace plugins
