// The slices of one case: decoded once, kept in a SliceStore, read from there.
#ifndef DATASETS_VOLUMES_CASE_SLICES_H_
#define DATASETS_VOLUMES_CASE_SLICES_H_

#include <bitset>
#include <cstdint>
#include <functional>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "datasets/volumes/nifti_cases.h"
#include "datasets/volumes/nifti_volume.h"
#include "datasets/volumes/slice_store.h"

namespace datasets {

// Which slices are kept.
struct SliceRules {
  int64_t every_nth = 1;      // those whose index it divides
  double min_foreground = 0;  // and that are so much more than background in the first modality
};

// Where a slice is in the store: rows x columns x modalities bytes, then rows x columns labels.
struct StoredSlice {
  int64_t offset = 0;
  int index = 0;  // in its volume
  int rows = 0, columns = 0;
  int64_t labelled = 0;  // pixels whose label is not 0
};

struct CaseSlices {
  std::vector<StoredSlice> slices;
  std::bitset<255> labels;   // that occur in them
  uint64_t fingerprint = 0;  // equal for cases of equal images
};

// A volume of a case: modality 0, 1, ..., and the segmentation after the last. `unsaid` is the
// orientation of files that say none.
struct NamedVolume {
  Volume volume;
  std::string path;
};
using ReadVolume =
    std::function<absl::StatusOr<NamedVolume>(int index, const std::optional<Orientation>& unsaid)>;

// Reads the volumes of a case (`modalities` images and a segmentation, of one size), windows and
// stores them. Errors name the file; RESOURCE_EXHAUSTED comes from the store.
absl::StatusOr<CaseSlices> StoreCase(const ReadVolume& read, int modalities,
                                     const SliceRules& rules, SliceStore* store);

// A slice at its own size.
struct LoadedSlice {
  cv::Mat image;   // 8-bit, `modalities` channels
  cv::Mat labels;  // 8-bit
};
absl::StatusOr<LoadedSlice> LoadSlice(const StoredSlice& slice, int modalities,
                                      const SliceStore& store);

}  // namespace datasets

#endif  // DATASETS_VOLUMES_CASE_SLICES_H_
