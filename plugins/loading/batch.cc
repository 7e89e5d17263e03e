// Rows are written in place and copied only where some are taken out.
#include "plugins/loading/batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

namespace plugins {

void Batch::Allocate(const Shape& shape) {
  const auto bytes = at::TensorOptions(at::kByte).pinned_memory(shape.pinned);
  images_ =
      at::empty({size(), shape.side, shape.side, shape.channels}, bytes).permute({0, 3, 1, 2});
  const std::vector<int64_t> labels = shape.masks
                                          ? std::vector<int64_t>{size(), shape.side, shape.side}
                                          : std::vector<int64_t>{size()};
  labels_ = at::empty(labels, at::TensorOptions(at::kLong).pinned_memory(shape.pinned));
  broken_.assign(samples_.size(), "");
}

void Batch::Put(int64_t row, const datasets::Sample& sample) {
  const int64_t values = images_.numel() / size();
  std::copy_n(sample.image.data, values, images_.data_ptr<uint8_t>() + row * values);
  int64_t* const labels = labels_.data_ptr<int64_t>();
  if (labels_.dim() == 1) {
    labels[row] = sample.label;
    return;
  }
  const int64_t pixels = labels_.numel() / size();
  std::transform(
      sample.mask.data, sample.mask.data + pixels, labels + row * pixels, [](uint8_t value) {
        return value == datasets::kIgnoredMask ? pipeline::kIgnoredLabel : int64_t{value};
      });
}

std::vector<std::pair<int64_t, std::string>> Batch::Broken() const {
  std::vector<std::pair<int64_t, std::string>> broken;
  for (size_t i = 0; i < broken_.size(); ++i) {
    if (!broken_[i].empty()) broken.emplace_back(samples_[i], broken_[i]);
  }
  return broken;
}

void Batch::DropBroken() {
  std::vector<int64_t> rows, samples, repeats;
  for (size_t i = 0; i < broken_.size(); ++i) {
    if (!broken_[i].empty()) continue;
    rows.push_back(static_cast<int64_t>(i));
    samples.push_back(samples_[i]);
    if (!repeats_.empty()) repeats.push_back(repeats_[i]);
  }
  if (rows.size() == samples_.size()) return;
  const at::Tensor kept = at::tensor(rows, at::kLong);
  images_ = images_.permute({0, 2, 3, 1}).index_select(0, kept).permute({0, 3, 1, 2});
  labels_ = labels_.index_select(0, kept);
  samples_ = std::move(samples);
  repeats_ = std::move(repeats);
  broken_.assign(samples_.size(), "");
}

}  // namespace plugins
