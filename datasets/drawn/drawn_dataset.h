// Datasets whose images are drawn, not read: the embedded samples, and the synthetic dataset.
#ifndef DATASETS_DRAWN_DRAWN_DATASET_H_
#define DATASETS_DRAWN_DRAWN_DATASET_H_

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "datasets/drawn/drawing.h"

namespace datasets {

// Draws a picture of a kind, size x size. Pure and safe on several threads.
using Draw = std::function<Drawn(int kind, uint64_t seed, int size)>;

// How many images of one of the drawing's kinds there are.
struct DrawnCounts {
  int64_t training = 200;  // TRAIN and VAL together
  int64_t test = 50;
};

// What one kind is to a dataset.
struct DrawnKind {
  int64_t label = 0;  // the class by the task; unused for segmentation
  DrawnCounts counts;
};

class DrawnDataset : public Dataset {
 public:
  // `kinds` are those of `draw`, in its order; the counts of `info` are filled in. The images are
  // always the same; only which of them are held out for VAL, context.validation_fraction of each
  // kind, depends on context.seed (and with context.folds which are TEST). Masks are for
  // segmentation alone; their classes must be those of info.
  DrawnDataset(pipeline::DataInfo info, Draw draw, const std::vector<DrawnKind>& kinds,
               const DatasetContext& context);

  const pipeline::DataInfo& info() const override { return info_; }
  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override;
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }
  std::string Name(pipeline::Phase phase, int64_t index) const override;

 private:
  struct Image {
    int kind = 0;
    int64_t label = 0;
    uint64_t seed = 0;
  };

  pipeline::DataInfo info_;
  const Draw draw_;
  std::array<std::vector<Image>, pipeline::kPhases> images_;
};

}  // namespace datasets

#endif  // DATASETS_DRAWN_DRAWN_DATASET_H_
