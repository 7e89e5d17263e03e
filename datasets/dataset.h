// What a dataset is: labelled images in three phases.
#ifndef DATASETS_DATASET_H_
#define DATASETS_DATASET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "datasets/images/fit.h"
#include "pipeline/data.h"
#include "pipeline/registry.h"

namespace datasets {

// Pixels of this value in Sample::mask are ignored.
constexpr uint8_t kIgnoredMask = 255;

struct Sample {
  cv::Mat image;      // 8-bit with info().channels channels (3: RGB), continuous, as large as asked
  cv::Mat mask;       // 8-bit class of each pixel, for segmentation; else empty
  int64_t label = 0;  // class of the image; unused for segmentation
};

// What a dataset is opened for.
struct DatasetContext {
  uint64_t seed = 0;               // of splits
  double validation_fraction = 0;  // of the training images; 0 makes no VAL split
  int64_t max_pixels = 1 << 26;    // larger images are refused before they are decoded
  double test_fraction = 0;        // of files that the source puts into no split, if it has no TEST
  // Above 1: all images are dealt out to so many folds, whatever split their source makes; one of
  // them, counted from 0, is TEST.
  int folds = 0, fold = 0;
  std::string split_file;   // the split is read from it; where it is not there, written to it
  bool write_split = true;  // else a split file that is not there stays so
  bool color = true;        // false: nobody looks at the images' colors
  Fit fit = Fit::kStretch;  // how images and masks become square; beside masks is kIgnoredMask
  // Where what is found out about files is kept: a file, or a folder with '/' at its end; "" keeps
  // nothing. It is read, and unless write_split is false written.
  std::string facts;
  // Told how many of the files that have to be read first were; from one thread at a time.
  std::function<void(int64_t done, int64_t total)> progress;
};

// Opened once, then read by many threads at a time.
class Dataset {
 public:
  virtual ~Dataset() = default;
  // All its texts are valid UTF-8.
  virtual const pipeline::DataInfo& info() const = 0;
  // The image at `index` of a phase, fitted into size x size. An unreadable file is an error whose
  // message names it and says why.
  virtual absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const = 0;
  // What Read would say, as far as the file's first and last bytes tell.
  virtual absl::Status CheckHeader(pipeline::Phase phase, int64_t index) const = 0;
  // Everything outside the config that Read's result depends on: files by path, size and time of
  // change, the part of them, the label. Equal texts mean equal samples, in other processes too. ""
  // where there is nothing worth keeping on a disk: drawn images, files that cannot be read.
  virtual std::string Identity(pipeline::Phase phase, int64_t index) const { return ""; }
  // The file's path, or what stands for it, as valid UTF-8.
  virtual std::string Name(pipeline::Phase phase, int64_t index) const = 0;
};

using Datasets = pipeline::Registry<Dataset, const DatasetContext&>;

}  // namespace datasets

#endif  // DATASETS_DATASET_H_
