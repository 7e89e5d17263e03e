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

// Of the images of one kind.
std::vector<pipeline::Phase> PhasesOf(const DrawnCounts& counts, size_t kind,
                                      const DatasetContext& context) {
  std::vector<pipeline::Phase> phases(counts.training + counts.test, pipeline::TEST);
  std::vector<int64_t> training;
  const std::vector<int64_t> dealt =
      ShuffledIndices(counts.training + counts.test, pipeline::Hash({context.seed, kind, 3}));
  for (int64_t i = 0; i < counts.training + counts.test; ++i) {
    const bool tested =
        context.folds > 0 ? dealt[i] % context.folds == context.fold : i >= counts.training;
    if (!tested) training.push_back(i);
  }
  const auto count = static_cast<int64_t>(training.size());
  const auto held_out = std::llround(context.validation_fraction * static_cast<double>(count));
  const std::vector<int64_t> order = ShuffledIndices(count, pipeline::Hash({context.seed, kind}));
  for (int64_t i = 0; i < count; ++i) {
    phases[training[i]] = order[i] < held_out ? pipeline::VAL : pipeline::TRAIN;
  }
  return phases;
}

}  // namespace

DrawnDataset::DrawnDataset(pipeline::DataInfo info, Draw draw, const std::vector<DrawnKind>& kinds,
                           const DatasetContext& context)
    : info_(std::move(info)), draw_(std::move(draw)) {
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    const auto& [label, counts] = kinds[kind];
    const std::vector<pipeline::Phase> phases = PhasesOf(counts, kind, context);
    for (size_t i = 0; i < phases.size(); ++i) {
      const uint64_t seed = pipeline::Hash({kind, static_cast<uint64_t>(i)});
      images_[PhaseIndex(phases[i])].push_back({static_cast<int>(kind), label, seed});
    }
  }
  std::array<std::vector<int64_t>, pipeline::kPhases> labels;
  for (int i = 0; i < pipeline::kPhases; ++i) {
    for (const Image& image : images_[i]) labels[i].push_back(image.label);
  }
  CountClasses(labels, &info_);
  info_.split = context.folds > 0 ? FoldName(context) : absl::StrCat("VAL by seed ", context.seed);
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
