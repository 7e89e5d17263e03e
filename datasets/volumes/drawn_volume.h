// Draws volumes that stand in for BraTS cases.
#ifndef DATASETS_VOLUMES_DRAWN_VOLUME_H_
#define DATASETS_VOLUMES_DRAWN_VOLUME_H_

#include <cstdint>

#include "datasets/volumes/nifti_volume.h"

namespace datasets {

// Modality 0 looks like FLAIR (edema bright), 1 like T1 with contrast (the rim bright); 2 are the
// labels: 0, 1 core, 2 edema, 4 rim. A head of 20 slices of 48x48 voxels in a background of 0, with
// a ball-shaped tumor of three shells in one half of it. The same arguments give the same volume.
Volume DrawBrainVolume(uint64_t seed, int modality);

}  // namespace datasets

#endif  // DATASETS_VOLUMES_DRAWN_VOLUME_H_
