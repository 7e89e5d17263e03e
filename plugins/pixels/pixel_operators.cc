// Gray, motion, jitter and scaling by tensor operators, for any device.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/grid_sampler.h>
#include <ATen/ops/linspace.h>

#include "pipeline/stage.h"
#include "plugins/pixels/pixels.h"

namespace plugins {
namespace {

// grid_sample's modes, which LibTorch names by number.
constexpr int64_t kBilinear = 0, kNearest = 1, kZeros = 0;

// A few numbers from memory to where an image is; a GPU is not waited for.
at::Tensor Beside(const at::Tensor& image, const at::Tensor& numbers) {
  return numbers.to(image.device(), /*non_blocking=*/true);
}

// The centers of `count` pixels between -1 and 1.
at::Tensor Centers(int64_t count, const at::TensorOptions& options) {
  const double last = 1 - 1.0 / static_cast<double>(count);
  return at::linspace(-last, last, count, options);
}

// Where each pixel comes from: [N, H, W, 2]. Not by affine_grid_generator, a matrix product, which
// TF32 would blur.
at::Tensor Grid(const at::Tensor& motion, int64_t height, int64_t width) {
  const at::Tensor x = Centers(width, motion.options()).reshape({1, 1, -1, 1});
  const at::Tensor y = Centers(height, motion.options()).reshape({1, -1, 1, 1});
  const at::Tensor map = motion.slice(1, 0, 6).reshape({-1, 1, 1, 2, 3});
  return x * map.select(4, 0) + y * map.select(4, 1) + map.select(4, 2);
}

}  // namespace

at::Tensor GrayByOperators(const at::Tensor& images) {
  // One channel that is seen as three (plugins/loader.cc): 19595 + 38470 + 7471 is 2^16.
  if (images.stride(1) == 0) return images.slice(1, 0, 1);
  const at::Tensor wide = images.to(at::kInt);
  const at::Tensor sum =
      wide.select(1, 0) * 19595 + wide.select(1, 1) * 38470 + wide.select(1, 2) * 7471;
  return at::bitwise_right_shift(sum + (1 << 15), 16).to(at::kByte).unsqueeze(1);
}

at::Tensor MovedByOperators(const at::Tensor& images, const at::Tensor& motion) {
  const at::Tensor factors = Beside(images, motion);
  const at::Tensor grid = Grid(factors, images.size(2), images.size(3));
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
  const at::Tensor grid = Grid(Beside(masks, motion), masks.size(1), masks.size(2));
  // grid_sampler fills with 0, so labels are shifted to make 0 mean "ignored".
  const at::Tensor shifted = (masks - pipeline::kIgnoredLabel).to(at::kFloat).unsqueeze(1);
  return at::grid_sampler(shifted, grid, kNearest, kZeros, false).squeeze(1).to(at::kLong) +
         pipeline::kIgnoredLabel;
}

at::Tensor ScaledByOperators(const at::Tensor& images, const at::Tensor& factor,
                             const at::Tensor& shift) {
  const auto channels = [&](const at::Tensor& values) {
    return Beside(images, values).reshape({1, -1, 1, 1});
  };
  return images.to(at::kFloat).mul_(channels(factor)).add_(channels(shift));
}

}  // namespace plugins
