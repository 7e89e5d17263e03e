// Datasets that are labelled image files: listing, splitting, reading.
#ifndef DATASETS_FOLDERS_FILES_DATASET_H_
#define DATASETS_FOLDERS_FILES_DATASET_H_

#include <array>
#include <functional>
#include <memory>
#include <opencv2/core/types.hpp>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace datasets {

struct ImageFile {
  std::string path;
  int64_t label = 0;  // class of the image; unused for segmentation
  std::string mask;   // the mask's path; "" where there is none
  std::string group;  // files of one group stay on one side of every split; "" = on its own
  cv::Rect tile;      // the part of the image that is the sample; empty = the whole
};

// Reads the mask of a file at its own size, 8-bit classes or kIgnoredMask: the whole, or the part
// that `tile` says. Called by many threads at a time.
using MaskReader = std::function<absl::StatusOr<cv::Mat>(const ImageFile&, int64_t max_pixels)>;

// What the source says about splits: files that it puts into TRAIN, VAL and TEST itself, and files
// that it leaves to the seed. Tiles of one image follow each other or not, but are in one list.
struct SourceFiles {
  std::vector<ImageFile> train, val, test, unsplit;
};

struct FilesOptions {
  // false: nothing is read of the images now, so that copies and broken ones are not known.
  bool look = true;
  bool drop_copies = false;  // those of test images leave TRAIN and VAL
  // Where all unsplit images of a class are of one group, it gives way, as the class could not be
  // tested; a note says so.
  bool part_lone_groups = false;
  bool named_groups = false;  // groups are told by the names of files, not of folders
  MaskReader read_mask;       // for segmentation; asked for every sample, without a mask's path too
};

// A dataset of files below the folder info.origin. Splits that the source makes are kept; otherwise
// SplitBySeed makes them, stratified by label (segmentation is not). Tiles of one image, files of
// one group and copies (equal bytes, or near-identical pictures) stay on one side: a pure function
// of the files' order, their bytes and the seed. Where context.split_file exists it decides
// instead, and files that it does not list are left out; where it does not, it is written.
//
// Adds to info: counts, copies, notes, where the split came from, and the files that cannot be
// decoded: they are split like the others, and then in no phase and no count. Errors of the split
// file are those of the option "split_file".
absl::StatusOr<std::unique_ptr<Dataset>> OpenFiles(pipeline::DataInfo info, SourceFiles files,
                                                   FilesOptions options,
                                                   const DatasetContext& context);

// Shows the bytes of info's texts that are no UTF-8; what is to open files by info->origin comes
// before.
void MakeTextsValid(pipeline::DataInfo* info);

// Sets info->images, and for classification class_counts and train_labels, from labels.
void CountClasses(const std::array<std::vector<int64_t>, pipeline::kPhases>& labels,
                  pipeline::DataInfo* info);

}  // namespace datasets

#endif  // DATASETS_FOLDERS_FILES_DATASET_H_
