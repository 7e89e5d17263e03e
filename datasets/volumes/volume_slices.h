// From volumes to 8-bit slices: windowing, labels, and which slices are worth keeping.
#ifndef DATASETS_VOLUMES_VOLUME_SLICES_H_
#define DATASETS_VOLUMES_VOLUME_SLICES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "datasets/volumes/nifti_volume.h"

namespace datasets {

// What surrounds the head: voxels equal to the volume's first, a corner, which scanners and
// skull-strippers fill with one value; and those that are not finite.
class Background {
 public:
  explicit Background(const Volume& volume);
  bool operator()(float voxel) const;

 private:
  const float corner_;
};

// The share of each slice that is not background.
std::vector<double> Foreground(const Volume& volume);

// Each voxel as round(255 (v - low) / (high - low)), clamped to 0..255, where low and high are the
// 0.5 and 99.5 percentiles of the volume's voxels that are not background (interpolated linearly,
// as numpy does). Voxels that are not finite are 0, and so is every voxel where low = high.
std::vector<uint8_t> Windowed(const Volume& volume);

// The voxels as labels 0..254. Labels stored as floats may be off by 1e-3, which rounding and a
// slope leave; anything else is an error "PATH: why".
absl::StatusOr<std::vector<uint8_t>> LabelsOf(const Volume& volume, const std::string& path);

}  // namespace datasets

#endif  // DATASETS_VOLUMES_VOLUME_SLICES_H_
