// Datasets whose images are drawn, not read: the embedded sample, and the synthetic dataset.
#ifndef DATASETS_DRAWN_DATASET_H_
#define DATASETS_DRAWN_DATASET_H_

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace datasets {

struct DrawnImage {
  int64_t drawing = 0;  // what is drawn: the drawing's own class
  int64_t label = 0;    // the class by the task
  uint64_t seed = 0;
};

// Draws an image of a class: 8-bit BGR, size x size. Pure and safe on several threads.
using Draw = std::function<cv::Mat(int drawing, uint64_t seed, int size)>;

// How many images of each of the drawing's classes there are.
struct DrawnCounts {
  int64_t training = 200;  // TRAIN and VAL together
  int64_t test = 50;
};

class DrawnDataset : public Dataset {
 public:
  // `labels` maps the drawing's classes to those of `info`, whose counts are filled in. The images
  // are always the same; only which of them are held out for VAL depends on context.seed.
  DrawnDataset(pipeline::DataInfo info, Draw draw, const std::vector<int64_t>& labels,
               const DrawnCounts& counts, const DatasetContext& context);

  const pipeline::DataInfo& info() const override { return info_; }
  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override;
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }
  std::string Name(pipeline::Phase phase, int64_t index) const override;

 private:
  pipeline::DataInfo info_;
  const Draw draw_;
  std::array<std::vector<DrawnImage>, pipeline::kPhases> images_;
};

}  // namespace datasets

#endif  // DATASETS_DRAWN_DATASET_H_
