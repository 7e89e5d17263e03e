// NIfTI files (.nii, .nii.gz), distrusted until read: one 3-D volume of numbers, turned upright.
#ifndef DATASETS_VOLUMES_NIFTI_VOLUME_H_
#define DATASETS_VOLUMES_NIFTI_VOLUME_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace datasets {

// Which stored axis (0, 1, 2) a picture's columns, its rows and the slices lie along, and which of
// them run backwards.
struct Orientation {
  std::array<int, 3> axis = {0, 1, 2};
  std::array<bool, 3> flipped = {false, false, false};
};

// Numbers after scl_slope and scl_inter, as [slices, rows, columns]. Slices are axial, feet first;
// the first row is anterior and the first column the patient's right, as radiologists look at it.
struct Volume {
  int64_t slices = 0, rows = 0, columns = 0;
  Orientation orientation;
  std::vector<float> voxels;
};

struct VolumeLimits {
  int64_t max_pixels = 1 << 26;  // of a slice
  int64_t max_voxels = 1 << 26;  // of a volume
};

// Reads NIfTI-1 and -2, either byte order, gzip recognised by content. The axes are those that
// sform (else qform) puts nearest to the body's; a file with neither takes `unsaid`: where that is
// not given either, as stored, its third axis through the slices. Sizes are checked before memory
// is taken. Refused: pairs of .hdr and .img, more than three dimensions, complex numbers and
// colors. Errors read "PATH: why".
absl::StatusOr<Volume> ReadNiftiVolume(const std::string& path, const VolumeLimits& limits,
                                       const std::optional<Orientation>& unsaid = {});

}  // namespace datasets

#endif  // DATASETS_VOLUMES_NIFTI_VOLUME_H_
