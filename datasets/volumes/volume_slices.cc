// Windows and labels of volumes.
#include "datasets/volumes/volume_slices.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

constexpr double kLow = 0.005, kHigh = 0.995;
constexpr float kLabelTolerance = 1e-3F;
constexpr float kMaxLabel = 254;  // 255 is kIgnoredMask

// The value that a share `quantile` of the values lies below. Reorders them; at least one.
double Percentile(double quantile, std::vector<float>* values) {
  const double rank = quantile * static_cast<double>(values->size() - 1);
  const auto below = values->begin() + static_cast<int64_t>(rank);
  std::nth_element(values->begin(), below, values->end());
  const double low = *below;
  if (below + 1 == values->end()) return low;
  const double next = *std::min_element(below + 1, values->end());
  return low + (rank - std::floor(rank)) * (next - low);
}

std::pair<double, double> Window(const Volume& volume) {
  const Background background(volume);
  std::vector<float> values;
  values.reserve(volume.voxels.size());
  for (const float voxel : volume.voxels) {
    if (!background(voxel)) values.push_back(voxel);
  }
  if (values.empty()) return {0, 0};
  const double low = Percentile(kLow, &values);
  return {low, Percentile(kHigh, &values)};
}

}  // namespace

Background::Background(const Volume& volume) : corner_(volume.voxels.front()) {}

bool Background::operator()(float voxel) const { return voxel == corner_ || !std::isfinite(voxel); }

std::vector<double> Foreground(const Volume& volume) {
  const Background background(volume);
  const int64_t pixels = volume.rows * volume.columns;
  std::vector<double> shares;
  for (int64_t slice = 0; slice < volume.slices; ++slice) {
    const auto first = volume.voxels.begin() + slice * pixels;
    const auto outside = std::count_if(first, first + pixels, background);
    shares.push_back(1 - static_cast<double>(outside) / static_cast<double>(pixels));
  }
  return shares;
}

std::vector<uint8_t> Windowed(const Volume& volume) {
  const auto [low, high] = Window(volume);
  std::vector<uint8_t> pixels(volume.voxels.size());
  if (!(high > low)) return pixels;
  const double scale = 255 / (high - low);
  std::transform(volume.voxels.begin(), volume.voxels.end(), pixels.begin(),
                 [low = low, scale](float voxel) {
                   if (!std::isfinite(voxel)) return uint8_t{0};
                   // Never below 0, so that this rounds to the nearest, and in vector loops.
                   // NOLINTNEXTLINE(bugprone-incorrect-roundings)
                   return static_cast<uint8_t>(std::clamp((voxel - low) * scale, 0., 255.) + 0.5);
                 });
  return pixels;
}

absl::StatusOr<std::vector<uint8_t>> LabelsOf(const Volume& volume, const std::string& path) {
  std::vector<uint8_t> labels;
  labels.reserve(volume.voxels.size());
  for (const float voxel : volume.voxels) {
    const float label = std::round(voxel);
    if (!(std::abs(voxel - label) <= kLabelTolerance && label >= 0 && label <= kMaxLabel)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": a label of ", voxel, "; labels are whole numbers from 0 to ", kMaxLabel));
    }
    labels.push_back(static_cast<uint8_t>(label));
  }
  return labels;
}

}  // namespace datasets
