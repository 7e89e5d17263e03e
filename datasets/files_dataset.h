// Datasets that are labelled image files: listing, splitting, reading.
#ifndef DATASETS_FILES_DATASET_H_
#define DATASETS_FILES_DATASET_H_

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "datasets/dataset.h"

namespace datasets {

struct ImageFile {
  std::string path;
  int64_t label = 0;
};

// A folder's subfolders or image files, sorted by name; hidden ones are left out.
absl::StatusOr<std::vector<std::string>> ListFolders(const std::string& folder);
absl::StatusOr<std::vector<std::string>> ListImages(const std::string& folder);

// Moves about `fraction` of each class from `files` to the returned list: a pure function of the
// files' order and the seed. Files with equal bytes stay together, on either side.
std::vector<ImageFile> SplitOff(double fraction, uint64_t seed, std::vector<ImageFile>* files);

// Draws indices 0..n-1 in an order that depends on the seed alone.
std::vector<int64_t> ShuffledIndices(int64_t n, uint64_t seed);

class FilesDataset : public Dataset {
 public:
  // Fills in the counts of `info`.
  FilesDataset(pipeline::DataInfo info, int64_t max_pixels,
               std::array<std::vector<ImageFile>, pipeline::kPhases> files);

  const pipeline::DataInfo& info() const override { return info_; }
  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override;
  absl::Status CheckHeader(pipeline::Phase phase, int64_t index) const override;
  std::string Name(pipeline::Phase phase, int64_t index) const override;

 private:
  const ImageFile& At(pipeline::Phase phase, int64_t index) const {
    return files_[pipeline::PhaseIndex(phase)][index];
  }

  pipeline::DataInfo info_;
  const int64_t max_pixels_;
  const std::array<std::vector<ImageFile>, pipeline::kPhases> files_;
};

// Sets info->images and info->class_counts from labels.
void CountClasses(const std::array<std::vector<int64_t>, pipeline::kPhases>& labels,
                  pipeline::DataInfo* info);

}  // namespace datasets

#endif  // DATASETS_FILES_DATASET_H_
