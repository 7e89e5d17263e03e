// NIfTI volumes, their windows and labels.
#include "datasets/volumes/nifti_volume.h"
#include "datasets/volumes/volume_slices.h"
#include "fuzz/target.h"

namespace fuzz {
namespace {

void Run(absl::string_view bytes) {
  const InputFile file(bytes);
  const datasets::VolumeLimits limits = {1 << 12, 1 << 16};
  const auto volume = datasets::ReadNiftiVolume(file.path(), limits);
  RequireReason(volume.status(), file.path());
  if (!volume.ok()) return;
  const int64_t pixels = volume->rows * volume->columns;
  const auto voxels = static_cast<size_t>(pixels * volume->slices);
  Require(pixels <= limits.max_pixels && volume->voxels.size() == voxels &&
              voxels <= static_cast<size_t>(limits.max_voxels),
          "a volume keeps its limits");
  for (const double share : datasets::Foreground(*volume)) {
    Require(share >= 0 && share <= 1, "shares of slices");
  }
  Require(datasets::Windowed(*volume).size() == voxels, "a window is as large as its volume");
  RequireReason(datasets::LabelsOf(*volume, file.path()).status(), file.path());
}

const Target kTarget("nifti", Run);

}  // namespace
}  // namespace fuzz
