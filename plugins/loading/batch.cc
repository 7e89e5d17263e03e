// Rows are written in place and copied only where some are taken out.
#include "plugins/loading/batch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pipeline/memory.h"
#include "pipeline/processes.h"
#include "pipeline/stage.h"
#include "plugins/pixels/gray.h"

namespace plugins {

void Batch::Allocate(const Shape& shape) {
  const auto bytes = at::TensorOptions(at::kByte).pinned_memory(shape.pinned);
  images_ =
      at::empty({size(), shape.side, shape.side, shape.channels}, bytes).permute({0, 3, 1, 2});
  const std::vector<int64_t> labels = shape.masks
                                          ? std::vector<int64_t>{size(), shape.side, shape.side}
                                          : std::vector<int64_t>{size()};
  const at::ScalarType type = shape.masks && shape.bytes ? at::kByte : at::kLong;
  labels_ = at::empty(labels, at::TensorOptions(type).pinned_memory(shape.pinned));
  broken_.assign(samples_.size(), "");
  if (!pipeline::IsNobodys(samples_)) return;
  images_.zero_();
  labels_.fill_(type == at::kByte ? int64_t{datasets::kIgnoredMask} : pipeline::kIgnoredLabel);
}

void Batch::Put(int64_t row, const datasets::Sample& sample) {
  const int64_t values = images_.numel() / size();
  uint8_t* const to = images_.data_ptr<uint8_t>() + row * values;
  const uint8_t* const from = sample.image.data;
  if (images_.size(1) == 1 && sample.image.channels() == 3) {
    for (int64_t i = 0; i < values; ++i)
      to[i] = GrayOf(from[3 * i], from[3 * i + 1], from[3 * i + 2]);
  } else {
    std::copy_n(from, values, to);
  }
  if (labels_.dim() == 1) {
    labels_.data_ptr<int64_t>()[row] = sample.label;
    return;
  }
  const int64_t pixels = labels_.numel() / size();
  if (labels_.scalar_type() == at::kByte) {
    std::copy_n(sample.mask.data, pixels, labels_.data_ptr<uint8_t>() + row * pixels);
    return;
  }
  int64_t* const labels = labels_.data_ptr<int64_t>();
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

at::Tensor Classes(const at::Tensor& labels) {
  if (labels.scalar_type() == at::kLong) return labels;
  return labels.to(at::kLong).masked_fill_(labels == datasets::kIgnoredMask,
                                           pipeline::kIgnoredLabel);
}

absl::Status CheckMemory(int64_t samples, const Batch::Shape& shape, int64_t ready) {
  const auto side = static_cast<double>(shape.side), values = static_cast<double>(shape.channels);
  const double pixel =
      static_cast<double>(ready + 1) * (values + (shape.masks ? 8 : 0)) + 4 * values;
  const double bytes = static_cast<double>(samples) * side * side * pixel;
  const double there = pipeline::MemoryOfMachine();
  if (bytes <= there) return absl::OkStatus();
  return pipeline::OptionError(
      "batch_size", absl::StrCat("batches of ", samples, " images of ", shape.side, "x", shape.side,
                                 " take ", pipeline::BytesText(bytes), " of memory, and there are ",
                                 pipeline::BytesText(there), "; lower batch_size or image_size"));
}

}  // namespace plugins
