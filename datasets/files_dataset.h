// Datasets that are labelled image files: listing, splitting, reading.
#ifndef DATASETS_FILES_DATASET_H_
#define DATASETS_FILES_DATASET_H_

#include <array>
#include <memory>
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

// A dataset of `train` and `test`, of which VAL takes about context.validation_fraction of each
// class of `train`: a pure function of the files' order, their bytes and the seed. Copies stay on
// one side; with `drop_copies` those of test images leave TRAIN and VAL. Adds to info's counts and
// notes.
std::unique_ptr<Dataset> OpenFiles(pipeline::DataInfo info, std::vector<ImageFile> train,
                                   std::vector<ImageFile> test, bool drop_copies,
                                   const DatasetContext& context);

// Draws indices 0..n-1 in an order that depends on the seed alone.
std::vector<int64_t> ShuffledIndices(int64_t n, uint64_t seed);

// Sets info->images and info->class_counts from labels.
void CountClasses(const std::array<std::vector<int64_t>, pipeline::kPhases>& labels,
                  pipeline::DataInfo* info);

}  // namespace datasets

#endif  // DATASETS_FILES_DATASET_H_
