// Lists of seeds instead of files.
#include "datasets/drawn/drawn_dataset.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "datasets/folders/files_dataset.h"
#include "datasets/images/resize.h"
#include "datasets/split/split.h"

namespace datasets {
namespace {

// Small images are drawn larger and shrunk like photographs, so that edges are smooth.
constexpr int kSmallestDrawing = 128;

}  // namespace

DrawnDataset::DrawnDataset(pipeline::DataInfo info, Draw draw, const std::vector<DrawnKind>& kinds,
                           const DatasetContext& context)
    : info_(std::move(info)), draw_(std::move(draw)) {
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    const auto& [label, counts] = kinds[kind];
    const auto held_out = std::llround(context.validation_fraction * counts.training);
    const std::vector<int64_t> order =
        ShuffledIndices(counts.training, pipeline::Hash({context.seed, kind}));
    for (int64_t i = 0; i < counts.training + counts.test; ++i) {
      const bool testing = i >= counts.training;
      const pipeline::Phase phase = testing               ? pipeline::TEST
                                    : order[i] < held_out ? pipeline::VAL
                                                          : pipeline::TRAIN;
      const uint64_t seed = pipeline::Hash({kind, static_cast<uint64_t>(i)});
      images_[PhaseIndex(phase)].push_back({static_cast<int>(kind), label, seed});
    }
  }
  std::array<std::vector<int64_t>, pipeline::kPhases> labels;
  for (int i = 0; i < pipeline::kPhases; ++i) {
    for (const Image& image : images_[i]) labels[i].push_back(image.label);
  }
  CountClasses(labels, &info_);
  info_.split = absl::StrCat("VAL by seed ", context.seed);
  if (!context.split_file.empty()) {
    info_.notes.emplace_back("drawn images have no files: split_file is neither read nor written");
  }
}

absl::StatusOr<Sample> DrawnDataset::Read(pipeline::Phase phase, int64_t index, int size) const {
  const Image& image = images_[pipeline::PhaseIndex(phase)][index];
  const Drawn drawn = draw_(image.kind, image.seed, std::max(size, kSmallestDrawing));
  Sample sample;  // drawn square, so that every fit is the same
  sample.label = image.label;
  cv::cvtColor(ResizeBilinear(drawn.image, {size, size}), sample.image, cv::COLOR_BGR2RGB);
  if (info_.task == pipeline::Task::kSegmentation) {
    // Nearest by the middles of pixels, as the image's resizing has them.
    cv::resize(drawn.mask, sample.mask, {size, size}, 0, 0, cv::INTER_NEAREST_EXACT);
  }
  return sample;
}

std::string DrawnDataset::Name(pipeline::Phase phase, int64_t index) const {
  return absl::StrCat("drawn image ", index, " of ", pipeline::Phase_Name(phase));
}

}  // namespace datasets
