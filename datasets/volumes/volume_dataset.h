// The axial slices of volumes as a dataset, split by patient.
#ifndef DATASETS_VOLUMES_VOLUME_DATASET_H_
#define DATASETS_VOLUMES_VOLUME_DATASET_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "datasets/volumes/case_slices.h"

namespace datasets {

struct VolumeCase {
  std::string name, patient;
  std::optional<pipeline::Phase> phase;  // the source's own word
  ReadVolume read;
  std::vector<std::string> files = {};  // paths, by which a split file lists the case
};

struct VolumeOptions {
  bool all_labels = false;       // classes of segmentation: each label, else tumor and background
  int64_t min_tumor_pixels = 1;  // of a slice with a tumor; with fewer, but some, it is left out
  SliceRules rules;
  int64_t max_decoded_bytes = 0;
};

// Reads every case on several threads and keeps its slices; cases that cannot be read are named in
// notes, like those of `left_out` ("CASE: why"). Cases of equal images count as one patient's.
// Where context.split_file exists, it decides which split a case belongs to, by any of its files;
// where it does not, it is written. Takes dataset, origin, task (binary or segmentation) and
// channels from `info` and adds the rest. Errors are about the options `root` and `max_decoded_gb`.
absl::StatusOr<std::unique_ptr<Dataset>> OpenVolumes(pipeline::DataInfo info,
                                                     const std::vector<VolumeCase>& cases,
                                                     std::vector<std::string> left_out,
                                                     const VolumeOptions& options,
                                                     const DatasetContext& context);

}  // namespace datasets

#endif  // DATASETS_VOLUMES_VOLUME_DATASET_H_
