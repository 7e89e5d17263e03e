// The domains that can be drawn, by task: what the synthetic dataset and the embedded samples of
// the datasets of files open.
#ifndef DATASETS_DRAWN_DRAWN_DOMAINS_H_
#define DATASETS_DRAWN_DRAWN_DOMAINS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace datasets {

enum class DrawnDomain { kBrain, kLeaf, kLand, kWater, kCrack };

// Names of the classes, in the order of the labels or of the mask's values.
//   kBrain: glioma, meningioma, no_tumor, pituitary; no_tumor, tumor; background, tumor.
//   kLeaf: bacterial_spot, healthy, late_blight, mosaic_virus, target_spot; healthy, diseased (the
//     same for masks, whose healthy includes the background).
//   kLand: urban, agriculture, rangeland, forest, water, barren (which of them covers most; the
//     same for masks); other, water.
//   kWater: the pictures and classes of kLand, but other, water for masks.
//   kCrack: noncrack, CFD, DeepCrack, cracktree; noncrack, crack; background, crack.
std::vector<std::string> DrawnClasses(DrawnDomain domain, pipeline::Task task);

// How many images there are of each of a domain's kinds, which are its multiclass classes, whatever
// the task.
struct DrawnAmounts {
  int64_t training = 200;  // of the first kind, in TRAIN and VAL together
  int64_t test = 50;       // of every kind
  // How many times more of the first kind than of the last are in TRAIN and VAL; geometric in
  // between. At least 1 each.
  double imbalance = 1;
};

// The dataset of a domain. `info` gives its name, origin and the like; task, classes and counts are
// filled in.
std::unique_ptr<Dataset> OpenDrawn(pipeline::DataInfo info, DrawnDomain domain, pipeline::Task task,
                                   const DrawnAmounts& amounts, const DatasetContext& context);

// What stands in for the files of `dataset` ("tomato_leaf") where they are not at hand.
std::unique_ptr<Dataset> OpenEmbeddedSample(const std::string& dataset, DrawnDomain domain,
                                            pipeline::Task task, const DatasetContext& context);

}  // namespace datasets

#endif  // DATASETS_DRAWN_DRAWN_DOMAINS_H_
