// Dilation by discs, and what it says of two masks.
#include "plugins/scores/tolerance.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/stage.h"

namespace plugins {
namespace {

// The largest w with w^2 + dy^2 <= radius^2: half of the disc's width in its row dy.
int64_t HalfWidth(int64_t radius, int64_t dy) {
  const int64_t square = radius * radius - dy * dy;
  auto w = static_cast<int64_t>(std::sqrt(static_cast<double>(square)));
  while (w * w > square) --w;
  while ((w + 1) * (w + 1) <= square) ++w;
  return w;
}

ToleranceScores ScoresOf(double predicted, double truth, double predicted_right,
                         double truth_right) {
  const double precision = predicted_right / predicted, recall = truth_right / truth;
  const double p = predicted > 0 ? precision : 0, r = truth > 0 ? recall : 0;
  // 0 / 0 where there is no pixel at all; else 0 where none is right.
  const double f1 = predicted + truth > 0 && p + r == 0 ? 0 : 2 * p * r / (p + r);
  return {precision, recall, f1};
}

}  // namespace

at::Tensor Dilated(const at::Tensor& set, int64_t radius) {
  if (radius == 0 || set.numel() == 0) return set;
  const at::Tensor ones = set.to(at::kFloat).contiguous();
  const int64_t height = set.size(1);
  at::Tensor reached = at::zeros_like(set);
  // A disc is a pile of rows: each widens the set sideways, then moves it up and down.
  for (int64_t dy = 0; dy <= std::min(radius, height - 1); ++dy) {
    const int64_t w = HalfWidth(radius, dy);
    const at::Tensor wide = w == 0 ? set : at::max_pool2d(ones, {1, 2 * w + 1}, {1, 1}, {0, w}) > 0;
    reached.slice(1, dy) |= wide.slice(1, 0, height - dy);
    reached.slice(1, 0, height - dy) |= wide.slice(1, dy);
  }
  return reached;
}

ToleranceCounts::ToleranceCounts(int64_t foreground, std::vector<int64_t> radii,
                                 const at::Device& device)
    : foreground_(foreground), radii_(std::move(radii)) {
  counts_ = at::zeros({2 + 2 * static_cast<int64_t>(radii_.size())},
                      at::TensorOptions(at::kLong).device(device));
}

void ToleranceCounts::Add(const at::Tensor& labels, const at::Tensor& predicted) {
  const at::Tensor truth = labels == foreground_;
  const at::Tensor found = (predicted == foreground_) & (labels != pipeline::kIgnoredLabel);
  std::vector<at::Tensor> counts = {found.sum(), truth.sum()};
  for (const int64_t radius : radii_) {
    counts.push_back((found & Dilated(truth, radius)).sum());
    counts.push_back((truth & Dilated(found, radius)).sum());
  }
  counts_ += at::stack(counts);
}

std::vector<ToleranceScores> ToleranceCounts::Take() {
  const at::Tensor counts = counts_.to(at::kCPU, at::kDouble, false, /*copy=*/true);
  counts_.zero_();
  const double* n = counts.data_ptr<double>();
  std::vector<ToleranceScores> scores;
  for (size_t i = 0; i < radii_.size(); ++i) {
    scores.push_back(ScoresOf(n[0], n[1], n[2 + 2 * i], n[3 + 2 * i]));
  }
  return scores;
}

}  // namespace plugins
