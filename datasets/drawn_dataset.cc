// Lists of seeds instead of files.
#include "datasets/drawn_dataset.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "datasets/files_dataset.h"
#include "datasets/resize.h"
#include "datasets/split.h"

namespace datasets {
namespace {

// Small images are drawn larger and shrunk like photographs, so that edges are smooth.
constexpr int kSmallestDrawing = 128;

}  // namespace

DrawnDataset::DrawnDataset(pipeline::DataInfo info, Draw draw, const std::vector<int64_t>& labels,
                           const DrawnCounts& counts, const DatasetContext& context)
    : info_(std::move(info)), draw_(std::move(draw)) {
  const auto classes = static_cast<int64_t>(labels.size());
  const auto held_out = std::llround(context.validation_fraction * counts.training);
  for (int64_t drawing = 0; drawing < classes; ++drawing) {
    const uint64_t own = pipeline::Hash({context.seed, static_cast<uint64_t>(drawing)});
    const std::vector<int64_t> order = ShuffledIndices(counts.training, own);
    for (int64_t i = 0; i < counts.training + counts.test; ++i) {
      const bool testing = i >= counts.training;
      const int phase = testing               ? PhaseIndex(pipeline::TEST)
                        : order[i] < held_out ? PhaseIndex(pipeline::VAL)
                                              : PhaseIndex(pipeline::TRAIN);
      images_[phase].push_back(
          {drawing, labels[drawing],
           pipeline::Hash({static_cast<uint64_t>(drawing), static_cast<uint64_t>(i)})});
    }
  }
  std::array<std::vector<int64_t>, pipeline::kPhases> by_phase;
  for (int phase = 0; phase < pipeline::kPhases; ++phase) {
    for (const DrawnImage& image : images_[phase]) by_phase[phase].push_back(image.label);
  }
  CountClasses(by_phase, &info_);
  info_.split = absl::StrCat("VAL by seed ", context.seed);
  if (!context.split_file.empty()) {
    info_.notes.push_back("drawn images have no files: split_file is neither read nor written");
  }
}

absl::StatusOr<Sample> DrawnDataset::Read(pipeline::Phase phase, int64_t index, int size) const {
  const DrawnImage& image = images_[pipeline::PhaseIndex(phase)][index];
  const cv::Mat drawn =
      draw_(static_cast<int>(image.drawing), image.seed, std::max(size, kSmallestDrawing));
  const cv::Mat resized = ResizeBilinear(drawn, {size, size});
  cv::Mat rgb;
  cv::cvtColor(resized, rgb, cv::COLOR_BGR2RGB);
  return Sample{rgb, {}, image.label};
}

std::string DrawnDataset::Name(pipeline::Phase phase, int64_t index) const {
  return absl::StrCat("drawn image ", index, " of ", pipeline::Phase_Name(phase));
}

}  // namespace datasets
